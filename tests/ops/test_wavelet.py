"""The wavelets' low-pass filters against their defining properties and published digits."""

import numpy as np
import pytest

from cnn_jax.ops import wavelet_filter
from cnn_jax.ops.blur import WAVELETS

# Daubechies 1992, "Ten lectures on wavelets", table 6.1, over sqrt(2), from the other end.
PUBLISHED = {
    'db2': (0.482962913145, 0.836516303738, 0.224143868042, -0.129409522551),
    'db3': (
        *(0.332670552950, 0.806891509311, 0.459877502118),
        *(-0.135011020010, -0.085441273882, 0.035226291882),
    ),
    'db4': (
        *(0.230377813309, 0.714846570553, 0.630880767930, -0.027983769417),
        *(-0.187034811719, 0.030841381836, 0.032883011667, -0.010597401785),
    ),
}


@pytest.mark.parametrize('name', sorted(PUBLISHED))
def test_daubechies_published_digits(name: str):
    found = np.array(wavelet_filter(name)) * np.sqrt(2)
    np.testing.assert_allclose(found[::-1], PUBLISHED[name], atol=1e-11)


@pytest.mark.parametrize('name', [name for name in WAVELETS if name != 'bior3.3'])
def test_orthogonal_to_its_own_shifts_by_two(name: str):
    weights = np.array(wavelet_filter(name)) * np.sqrt(2)
    for shift in range(0, len(weights), 2):
        product = weights[shift:] @ weights[: len(weights) - shift]
        assert product == pytest.approx(float(shift == 0), abs=1e-12)


@pytest.mark.parametrize(('name', 'moments'), [('db2', 2), ('db3', 3), ('db4', 4), ('bior3.3', 3)])
def test_vanishing_moments(name: str, moments: int):
    """The filter is flat at the highest frequency: sum (-1)^k k^m h_k = 0 for each m below."""
    weights = np.array(wavelet_filter(name))
    assert weights.sum() == pytest.approx(1)
    k = np.arange(len(weights))
    for power in range(moments):
        assert (weights * (-1.0) ** k * k**power).sum() == pytest.approx(0, abs=1e-9)


def test_bior_is_dual_to_the_quadratic_spline():
    weights, spline = np.array(wavelet_filter('bior3.3')), np.array([1.0, 3, 3, 1]) / 8
    whole = np.convolve(weights, spline[::-1]) * 2
    centre = len(whole) // 2
    np.testing.assert_allclose(
        whole[centre % 2 :: 2], (np.arange(6 - centre % 2) * 2 + centre % 2 == centre), atol=1e-12
    )


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="one of haar, db2, db3, db4, bior3.3; got 'db9'"):
        wavelet_filter('db9')
