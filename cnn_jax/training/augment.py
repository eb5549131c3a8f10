"""Training augmentation: pure functions of a key and a batch of images, for use inside jit."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key, UInt8

from cnn_jax.errors import require
from cnn_jax.ops.shifts import shift_images

OwnAugment = Callable[[Array, Array], Array]  # (key, images) -> images


@dataclass(frozen=True)
class Augment:
    """How training images are augmented.

    Attributes:
        crop: Shift by up to this many pixels, with zeros moving in (pad, then crop); an axis of one
            pixel is not moved.
        flip: Mirror left-right with probability one half.
        cutout: Side of a square at a random position that is filled with the image's mean colour
            (DeVries & Taylor 2017, arXiv:1708.04552), clipped at the border; 0: none.
    """

    crop: int = 0
    flip: bool = False
    cutout: int = 0

    def __post_init__(self):
        for name in ('crop', 'cutout'):
            given = vars(self)[name]
            require(
                type(given) is int and given >= 0,
                f'augment.{name} must be a number of pixels of at least 0; got {given!r}.',
            )
        require(isinstance(self.flip, bool), f'augment.flip must be a bool; got {self.flip!r}.')


def augment_images(
    key: Key[Array, ''],
    images: UInt8[Array, 'batch height width channels'],
    augment: Augment | OwnAugment,
) -> UInt8[Array, 'batch height width channels']:
    """Crops, flips and cuts out of each image at random as `augment` says, or applies a function.

    Raises BadInput if that function changes the shape or dtype.

    >>> images = jnp.ones((2, 4, 4, 1), jnp.uint8)
    >>> augment_images(jax.random.key(0), images, Augment()) is images
    True
    """
    if not isinstance(augment, Augment):
        varied = augment(key, images)
        kind = f'{getattr(varied, "dtype", type(varied).__name__)} {getattr(varied, "shape", "")}'
        require(
            kind == f'{images.dtype} {images.shape}',
            f'{getattr(augment, "__name__", augment)} returned {kind} for images {images.dtype} '
            f'{images.shape}: it must keep shape and dtype.',
        )
        return varied
    crop_key, flip_key = jax.random.split(key)
    batch = images.shape[0]
    if augment.crop:
        shifts = jax.random.randint(crop_key, (batch, 2), -augment.crop, augment.crop + 1)
        if 1 in images.shape[1:3]:
            shifts = jnp.where(jnp.array(images.shape[1:3]) > 1, shifts, 0)
        images = shift_images(images, shifts, border='zero')
    if augment.flip:
        flipped = jax.random.bernoulli(flip_key, 0.5, (batch, 1, 1, 1))
        images = jnp.where(flipped, images[:, :, ::-1], images)
    if augment.cutout:
        images = _without_square(jax.random.fold_in(key, 1), images, augment.cutout)
    return images


def _without_square(key: Array, images: Array, side: int) -> Array:
    """Fills a square of each image, centred at a random pixel, with the image's mean colour."""
    batch, *size, _ = images.shape
    centres = [
        jax.random.randint(one, (batch, 1), 0, n)
        for one, n in zip(jax.random.split(key), size, strict=True)
    ]
    rows, columns = (
        (jnp.arange(n) >= centre - side // 2) & (jnp.arange(n) < centre - side // 2 + side)
        for centre, n in zip(centres, size, strict=True)
    )
    covered = rows[:, :, None, None] & columns[:, None, :, None]
    mean = images.astype(jnp.float32).mean((1, 2), keepdims=True)
    return jnp.where(covered, jnp.round(mean).astype(images.dtype), images)
