"""Shifting, cropping and flipping against plain slicing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.ops.shifts import shift_images
from cnn_jax.training.augment import Augment, augment_images

IMAGES = jnp.asarray(np.random.default_rng(0).integers(1, 256, (2, 6, 5, 3)), jnp.uint8)


@pytest.mark.parametrize('dy, dx', [(0, 0), (2, -1), (-3, 3), (5, -4)])
def test_zero_border_is_padding_and_cropping(dy, dx):
    padded = np.pad(IMAGES, ((0, 0), (5, 5), (5, 5), (0, 0)))
    expected = padded[:, 5 - dy : 11 - dy, 5 - dx : 10 - dx]
    moved = shift_images(IMAGES, jnp.array([[dy, dx]] * 2), border='zero')
    np.testing.assert_array_equal(moved, expected)


def test_circular_border_is_a_roll_and_each_image_has_its_own_shift():
    shifts = jnp.array([[1, -2], [3, 4]])
    moved = shift_images(IMAGES, shifts, border='circular')
    for image, (dy, dx), got in zip(IMAGES, shifts.tolist(), moved, strict=True):
        np.testing.assert_array_equal(got, np.roll(image, (dy, dx), (0, 1)))


def test_unknown_border(unchecked):
    with pytest.raises(ValueError, match='border must be'):
        shift_images(IMAGES, jnp.zeros((2, 2), int), border='mirror')


def test_crop_moves_by_at_most_its_pixels_and_uses_all_of_them():
    image = np.zeros((400, 9, 9, 1), np.uint8)
    image[:, 4, 4] = 200
    out = np.asarray(augment_images(jax.random.key(0), jnp.asarray(image), Augment(crop=2)))
    _, rows, columns, _ = np.nonzero(out)
    assert len(rows) == 400
    assert set(rows) == set(columns) == {2, 3, 4, 5, 6}


def test_flip_mirrors_about_half_of_the_images():
    images = jnp.repeat(IMAGES[:1], 400, 0)
    out = np.asarray(augment_images(jax.random.key(0), images, Augment(flip=True)))
    same = (out == images).all((1, 2, 3))
    assert ((out == images[:, :, ::-1]).all((1, 2, 3)) != same).all()
    assert 150 < same.sum() < 250


def test_negative_crop_is_refused():
    with pytest.raises(BadInput, match='augment.crop must be a number of pixels'):
        Augment(crop=-1)


def test_a_crop_does_not_empty_a_sequence():
    images = jnp.ones((64, 1, 9, 1), jnp.uint8)
    out = np.asarray(augment_images(jax.random.key(0), images, Augment(crop=2)))
    assert set(out.sum((1, 2, 3)).tolist()) == {7, 8, 9}
