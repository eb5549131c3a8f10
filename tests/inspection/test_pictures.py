"""Hand-made filters, the drawn house, and grids of pictures."""

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.inspection import (
    HAND_FILTERS,
    apply_filter,
    gabor,
    house,
    plot_filters,
    plot_heat,
    plot_images,
    plot_maps,
)
from cnn_jax.style import png


def test_filters_find_what_they_are_named_after():
    vertical = jnp.zeros((1, 9, 9, 1)).at[:, :, 4].set(1.0)
    horizontal = jnp.swapaxes(vertical, 1, 2)

    def strength(image, name):
        return float(jnp.abs(apply_filter(image, HAND_FILTERS[name])).max())

    for kind in ('edge', 'bar'):
        assert strength(vertical, f'vertical {kind}') > 2 * strength(vertical, f'horizontal {kind}')
        assert strength(horizontal, f'horizontal {kind}') == strength(vertical, f'vertical {kind}')
    flat = jnp.ones((1, 5, 5, 2))
    for name, kernel in HAND_FILTERS.items():
        gain = float(np.sum(kernel))
        expected = 1 if name in ('blur', 'sharpen') else 0
        assert gain == pytest.approx(expected)
        np.testing.assert_allclose(apply_filter(flat, kernel), expected, atol=1e-6)


def test_a_gabor_filter_answers_to_its_angle_and_wavelength():
    stripes = jnp.asarray(np.cos(2 * np.pi * np.arange(32) / 4), jnp.float32)
    image = jnp.broadcast_to(stripes[None, None, :, None], (1, 32, 32, 1))  # vertical stripes

    def answer(**options):
        return float(jnp.abs(apply_filter(image, gabor(9, **options))[:, 8:-8, 8:-8]).max())

    assert answer() > 5 * answer(angle=np.pi / 2)
    assert answer() > 3 * answer(wavelength=8.0, sigma=4.0)
    for wrong in ({'size': 4}, {'wavelength': 0.0}, {'sigma': -1.0}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            gabor(**wrong)


def test_the_house_is_a_picture_at_every_size():
    for size in (28, 96, 101):
        image = house(size)
        assert image.shape == (size, size, 3) and 0 <= image.min() < image.max() <= 1
        assert image.std() > 0.1


def test_grids(unchecked):
    kernel = np.random.default_rng(0).normal(size=(5, 5, 3, 70))
    assert len(plot_filters(kernel).axes) == 64 + 1
    assert png(plot_maps(np.zeros((7, 7, 3)), title='dead'))
    assert png(plot_heat(house(28), np.eye(7)))
    figure = plot_images({str(i): house(28) for i in range(7)})
    assert [len(axes.get_images()) for axes in figure.axes] == [1] * 7 + [0] * 3
    for wrong in (lambda: plot_filters(kernel[0]), lambda: plot_maps(np.zeros((7, 7)))):
        with pytest.raises(BadInput, match='must be'):
            wrong()
    with pytest.raises(BadInput, match='at least one'):
        plot_images({})
