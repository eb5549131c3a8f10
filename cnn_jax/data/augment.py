"""Training augmentation: pure functions of a key and a batch of images, made to run inside jit."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, Key, Num, UInt8

from cnn_jax.errors import require

OwnAugment = Callable[[Array, Array], Array]  # (key, images) -> images


@dataclass(frozen=True)
class Augment:
    """How training images are varied.

    Attributes:
        crop: Move by up to that many pixels over a zero-filled frame (pad, then crop).
        flip: Mirror left-right with probability one half.
    """

    crop: int = 0
    flip: bool = False

    def __post_init__(self):
        require(
            isinstance(self.crop, int) and not isinstance(self.crop, bool) and self.crop >= 0,
            f'augment.crop must be a number of pixels of at least 0; got {self.crop!r}.',
        )
        require(isinstance(self.flip, bool), f'augment.flip must be a bool; got {self.flip!r}.')


def shift_images(
    images: Num[Array, 'batch height width channels'],
    shifts: Int[Array, 'batch 2'],
    *,
    border: str,
) -> Num[Array, 'batch height width channels']:
    """Moves each image's content down and right by its (dy, dx), in whole pixels.

    `border` 'zero' fills what moves in with zeros; 'circular' wraps around.

    >>> image = jnp.arange(1, 5, dtype=jnp.uint8).reshape(1, 1, 4, 1)
    >>> shift_images(image, jnp.array([[0, 1]]), border='zero')[0, 0, :, 0].tolist()
    [0, 1, 2, 3]
    >>> shift_images(image, jnp.array([[0, 1]]), border='circular')[0, 0, :, 0].tolist()
    [4, 1, 2, 3]
    """
    require(border in ('zero', 'circular'), f"border must be 'zero' or 'circular'; got {border!r}.")

    def source(size: int, shift: Array) -> tuple[Array, Array]:
        rows = jnp.arange(size) - shift[:, None]
        inside = (rows >= 0) & (rows < size)
        return rows % size, inside | (border == 'circular')

    height, width = images.shape[1:3]
    rows, row_inside = source(height, shifts[:, 0])
    columns, column_inside = source(width, shifts[:, 1])
    moved = jax.vmap(lambda image, r, c: image[r][:, c])(images, rows, columns)
    inside = row_inside[:, :, None, None] & column_inside[:, None, :, None]
    return jnp.where(inside, moved, jnp.zeros((), images.dtype))


def augment_images(
    key: Key[Array, ''],
    images: UInt8[Array, 'batch height width channels'],
    augment: Augment | OwnAugment,
) -> UInt8[Array, 'batch height width channels']:
    """A random crop and flip of each image, as `augment` says; or what a function makes of them.

    Raises BadInput where that function returns another shape or dtype.

    >>> images = jnp.ones((2, 4, 4, 1), jnp.uint8)
    >>> augment_images(jax.random.key(0), images, Augment()) is images
    True
    """
    if not isinstance(augment, Augment):
        varied = augment(key, images)
        require(
            varied.shape == images.shape and varied.dtype == images.dtype,
            f'{getattr(augment, "__name__", augment)} returned {varied.dtype} {varied.shape} for '
            f'images {images.dtype} {images.shape}: it must keep shape and dtype.',
        )
        return varied
    crop_key, flip_key = jax.random.split(key)
    batch = images.shape[0]
    if augment.crop:
        shifts = jax.random.randint(crop_key, (batch, 2), -augment.crop, augment.crop + 1)
        images = shift_images(images, shifts, border='zero')
    if augment.flip:
        flipped = jax.random.bernoulli(flip_key, 0.5, (batch, 1, 1, 1))
        images = jnp.where(flipped, images[:, :, ::-1], images)
    return images
