"""Gains over frequency."""

import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.inspection import filter_response, plot_responses, strategy_response
from cnn_jax.ops import binomial_filter
from cnn_jax.strategies import Avg, Blur, Max, MaxBlur, Spectral, Stride, Subsample


@pytest.mark.parametrize('size', [2, 3, 5, 7])
def test_a_blur_has_the_gain_of_its_filter(size):
    frequencies, gains = strategy_response(Blur(filter_size=size, padding='circular'))
    by_hand = np.cos(np.pi * frequencies) ** (size - 1)  # binomial filters
    taps = filter_response(np.asarray(binomial_filter(size)), frequencies)
    np.testing.assert_allclose(taps, by_hand, atol=1e-6)
    inside = frequencies < 0.5  # at 0.5 subsampling sees one phase of the wave only
    np.testing.assert_allclose(gains[inside], by_hand[inside], atol=2e-2)


def test_an_average_and_no_filter_at_all():
    frequencies, gains = strategy_response(Avg())
    np.testing.assert_allclose(gains[:-1], np.cos(np.pi * frequencies[:-1]), atol=2e-2)
    _, gains = strategy_response(Subsample())
    np.testing.assert_allclose(gains[:-1], 1, atol=2e-2)


def test_blur_lets_less_of_the_aliased_band_through_than_max():
    frequencies, plain = strategy_response(Max())
    _, blurred = strategy_response(MaxBlur(filter_size=5))
    aliased = frequencies > 0.3
    assert blurred[aliased].mean() < 0.5 * plain[aliased].mean()


def test_bad_input_and_picture():
    with pytest.raises(BadInput, match='cycles must be from 0 to 32'):
        strategy_response(Max(), (0, 33))
    axes = plot_responses({'max': Max(), 'spectral': Spectral(), 'stride': Stride()}).axes[0]
    assert axes.get_xlim() == (0, 0.5) and len(axes.get_lines()) == 3
    assert [text.get_text() for text in axes.texts] == ['aliased']
