"""Resizes images of any size to one size."""

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from cnn_jax.errors import require


class ImageSize(NamedTuple):
    """Height and width in pixels.

    >>> ImageSize(128, 160).width
    160
    """

    height: int
    width: int


def checked_size(size: tuple[int, int]) -> ImageSize:
    """`size` as an `ImageSize`; `BadInput` unless both are at least 1.

    >>> checked_size((128, 160))
    ImageSize(height=128, width=160)
    """
    require(
        isinstance(size, tuple | list) and len(size) == 2 and all(type(n) is int for n in size),
        f'image_size is {size!r}: give (height, width).',
    )
    height, width = size
    require(height > 0 and width > 0, f'image_size is {size}: give (height, width), both above 0.')
    return ImageSize(height, width)


def fit_image(
    image: UInt8[np.ndarray, 'height width channels'], size: ImageSize
) -> UInt8[np.ndarray, 'fit_height fit_width channels']:
    """Scales until `size` is covered, keeping the aspect ratio, then crops the centre.

    Uses Pillow's bilinear filter, which averages when it shrinks; an image that already has the
    size is returned unchanged. One or three channels, otherwise `BadInput`.

    >>> fit_image(np.zeros((60, 80, 3), np.uint8), ImageSize(32, 32)).shape
    (32, 32, 3)
    """
    if image.shape[:2] == tuple(size):
        return image
    channels = image.shape[2]
    require(channels in (1, 3), f'an image has {channels} channels: only 1 or 3 can be resized.')
    from PIL import Image, ImageOps

    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    fitted = ImageOps.fit(picture, (size.width, size.height), method=Image.Resampling.BILINEAR)
    return np.asarray(fitted, np.uint8).reshape(*size, channels)
