"""Resizes images of any size to one size, and their masks, boxes and keypoints with them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from cnn_jax.data.targets import is_box
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
    from PIL import Image

    fitted = _fit(image[..., 0] if channels == 1 else image, size, Image.Resampling.BILINEAR)
    return fitted.reshape(*size, channels)


def fit_mask(
    mask: UInt8[np.ndarray, 'height width'], size: ImageSize
) -> UInt8[np.ndarray, 'fit_height fit_width']:
    """Scales and crops a mask as `fit_image` does the image; each pixel gets its nearest class id.

    >>> fit_mask(np.array([[1, 2], [3, 4]], np.uint8), ImageSize(4, 2)).tolist()
    [[1, 2], [1, 2], [3, 4], [3, 4]]
    """
    if mask.shape == tuple(size):
        return mask
    from PIL import Image

    return _fit(mask, size, Image.Resampling.NEAREST)


def fit_boxes(
    boxes: Float32[np.ndarray, '*images boxes 5'], was: tuple[int, int], size: ImageSize
) -> Float32[np.ndarray, '*images boxes 5']:
    """Boxes of images of the size `was` after `fit_image`: scaled, and cut off with the image.

    Those of which nothing is left become rows of -1.

    >>> boxes = np.array([[0, 0, 60, 60, 3], [0, 0, 60, 10, 3]], np.float32)
    >>> fit_boxes(boxes, (60, 80), ImageSize(30, 30)).tolist()
    [[0.0, 0.0, 30.0, 25.0, 3.0], [-1.0, -1.0, -1.0, -1.0, -1.0]]
    """
    corner, scale = _kept(was, size)
    ends = (boxes[..., :4] - np.tile(corner, 2)) * scale
    fitted = np.concatenate([np.clip(ends, 0, np.tile(size, 2)), boxes[..., 4:]], -1)
    left = is_box(boxes) & (fitted[..., 2:4] > fitted[..., :2]).all(-1)
    return np.where(left[..., None], fitted, -1).astype(np.float32)


def fit_points(
    points: Float32[np.ndarray, '*images points 2'], was: tuple[int, int], size: ImageSize
) -> Float32[np.ndarray, '*images points 2']:
    """Points of images of the size `was` after `fit_image`; they may lie outside what is left.

    >>> fit_points(np.array([[0, 0]], np.float32), (4, 4), ImageSize(8, 8)).tolist()
    [[0.5, 0.5]]
    """
    corner, scale = _kept(was, size)
    return ((points + 0.5 - corner) * scale - 0.5).astype(np.float32)


def _kept(was: tuple[int, int], size: ImageSize) -> tuple[np.ndarray, float]:
    """The corner of the part of an image that `fit_image` keeps, and how it scales that part."""
    scale = max(size.height / was[0], size.width / was[1])
    kept = np.array(size) / scale
    return (np.array(was) - kept) / 2, scale


def _fit(pixels: np.ndarray, size: ImageSize, method) -> np.ndarray:
    from PIL import Image, ImageOps

    fitted = ImageOps.fit(Image.fromarray(pixels), (size.width, size.height), method=method)
    return np.asarray(fitted, np.uint8)
