"""`shapes`: a data set drawn by arithmetic, small and learnable.

Grey images of one figure each, at a random place, size and brightness, under noise. For tests, and
for a first look with nothing to download. All arithmetic is on integers, so the images are the
same on every machine and numpy version.
"""

import numpy as np
from jaxtyping import Bool, Int32

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.hashing import random_bits
from cnn_jax.errors import require

CLASS_NAMES = ('disc', 'ring', 'square', 'frame', 'triangle', 'plus', 'saltire', 'bars')

_SIDE = 28  # pixels
_UNIT = 16  # coordinates are in 1/16 pixel
_SMALLEST, _LARGEST = 5 * _UNIT, 9 * _UNIT  # half the width of a figure
_NOISE = 48  # grey levels, peak to peak


def make_shapes(*, train: int = 2000, test: int = 500, seed: int = 0) -> Dataset:
    """Draws the data set: uint8 images 28x28x1, eight classes in equal numbers, mixed.

    train, test: how many images, at least one each, otherwise `BadInput`. Equal arguments give
    equal images; test images are drawn from other random numbers than train images.

    >>> dataset = make_shapes(train=16, test=8)
    >>> dataset.image_shape, len(dataset.train), dataset.class_names[:3]
    ((28, 28, 1), 16, ('disc', 'ring', 'square'))
    """
    require(train > 0 and test > 0, f'{train} train and {test} test images: give at least 1 each.')
    return Dataset(
        name='shapes',
        train=_draw_split(train, seed=seed, stream=0),
        test=_draw_split(test, seed=seed, stream=100),
        class_names=CLASS_NAMES,
    )


def _draw_split(count: int, *, seed: int, stream: int) -> Split:
    def whole(low: int | np.ndarray, high: int | np.ndarray, offset: int) -> np.ndarray:
        """`count` whole numbers in [low, high), from a stream of their own."""
        bits = random_bits(count, seed=seed, stream=stream + offset)
        return (low + (bits >> np.uint64(32)).astype(np.int64) % (high - low)).astype(np.int32)

    labels = np.arange(count, dtype=np.int32) % len(CLASS_NAMES)
    labels = labels[np.argsort(random_bits(count, seed=seed, stream=stream), kind='stable')]
    half = whole(_SMALLEST, _LARGEST, 1)
    row, column = (whole(half, _SIDE * _UNIT - half, offset) for offset in (2, 3))
    figure = _figures(labels, half, row, column)
    ink, paper = whole(130, 256, 4), whole(0, 70, 5)
    grey = np.where(figure, ink[:, None, None], paper[:, None, None])
    words = random_bits(count * _SIDE * _SIDE // 8, seed=seed, stream=stream + 6)
    noise = words.astype('<u8').view(np.uint8).reshape(grey.shape) % _NOISE
    pixels = np.clip(grey + noise.astype(np.int32) - _NOISE // 2, 0, 255).astype(np.uint8)
    return Split(pixels[..., None], labels)


def _figures(
    labels: Int32[np.ndarray, ' n'],
    half: Int32[np.ndarray, ' n'],
    row: Int32[np.ndarray, ' n'],
    column: Int32[np.ndarray, ' n'],
) -> Bool[np.ndarray, 'n side side']:
    """Which pixels lie on the figure of each label, `2 * half` wide around (row, column)."""
    centres = np.arange(_SIDE, dtype=np.int32) * _UNIT + _UNIT // 2
    y = centres[None, :, None] - row[:, None, None]
    x = centres[None, None, :] - column[:, None, None]
    r = half[:, None, None]
    line = r // 3
    square, disc = np.maximum(abs(x), abs(y)), x * x + y * y
    inside = square <= r
    by_class = (
        disc <= r * r,
        (disc <= r * r) & (disc >= (r - line) ** 2),
        inside,
        inside & (square >= r - line),
        (y <= r) & (2 * abs(x) <= y + r),
        inside & (np.minimum(abs(x), abs(y)) * 2 <= line),
        inside & (abs(abs(x) - abs(y)) * 2 <= line),
        inside & ((y + r) // line % 2 == 0),
    )
    return np.choose(labels[:, None, None], by_class)
