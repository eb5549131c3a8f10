"""Training augmentation: pure functions of a key and a batch of images, made to run inside jit."""

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
        images = shift_images(images, shifts, border='zero')
    if augment.flip:
        flipped = jax.random.bernoulli(flip_key, 0.5, (batch, 1, 1, 1))
        images = jnp.where(flipped, images[:, :, ::-1], images)
    return images
