"""`shapes_keypoints`: images of four round markers, whose centres lie anywhere between pixels.

64x64 colour images of a textured background with a red, a green, a blue and a yellow marker on it,
and noise over all. As in `shapes_segmentation`, the arithmetic is the same on every machine.
"""

import numpy as np
from jaxtyping import Float, Float32, UInt8

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.hashing import random_bits
from cnn_jax.data.painting import mixed, noisy, real, textured
from cnn_jax.errors import require

MARKERS = ('red', 'green', 'blue', 'yellow')

_COLOURS = np.array([[235, 40, 40], [40, 225, 60], [50, 70, 235], [235, 215, 40]], np.float64)
_SIDE = 64  # pixels
_RADIUS = 4.0  # pixels; at it a marker has faded out
_CELLS = 3  # an axis; each marker lies in a cell of its own
_FIRST, _PITCH, _RANGE = 8.5, 18, 10  # pixels: of the first cell, between cells, within a cell
_SAMPLES = 3  # an axis and pixel


def make_shapes_keypoints(*, train: int = 4000, test: int = 1000, seed: int = 0) -> Dataset:
    """Draws images of four markers, and the (y, x) of their centres, exact to 1/65536 pixel.

    Every fraction of a pixel is equally probable, and markers do not overlap. train, test: how many
    images, at least one each, otherwise `BadInput`. Equal arguments give equal images.

    >>> dataset = make_shapes_keypoints(train=2, test=1)
    >>> dataset.train.labels.shape, dataset.class_names
    ((2, 4, 2), ('red', 'green', 'blue', 'yellow'))
    """
    require(train > 0 and test > 0, f'{train} train and {test} test images: give at least 1 each.')

    def split(count: int, stream: int) -> Split:
        points = marker_points(count, seed=seed, stream=stream)
        return Split(draw_markers(points, seed=seed, stream=stream), points)

    return Dataset('shapes_keypoints', split(train, 0), split(test, 100), MARKERS, task='keypoints')


def marker_points(
    count: int, *, seed: int, stream: int = 200
) -> Float32[np.ndarray, 'images keypoints 2']:
    """Centres of the markers of `count` images: uniform within cells, of which each has its own.

    >>> marker_points(3, seed=0).shape
    (3, 4, 2)
    """
    order = random_bits(count * _CELLS**2, seed=seed, stream=stream).reshape(count, -1)
    cells = np.argsort(order, axis=1, kind='stable')[:, : len(MARKERS)]
    corners = _FIRST + _PITCH * np.stack([cells // _CELLS, cells % _CELLS], -1)
    within = real(corners.shape, 0, _RANGE, seed=seed, stream=stream + 1)
    return (np.floor((corners + within) * 2**16) / 2**16).astype(np.float32)


def draw_markers(
    points: Float[np.ndarray, 'images keypoints 2'], *, seed: int, stream: int = 200
) -> UInt8[np.ndarray, 'images side side 3']:
    """Images with markers at these points; equal seeds give the same background, colours and noise.

    A marker is (1 - r^2 / 16)^2 opaque at r pixels from its centre, averaged over 3x3 samples a
    pixel, and times a number from 0.6 to 1 that is drawn for each.

    >>> points = marker_points(1, seed=0)
    >>> draw_markers(points, seed=0).shape, draw_markers(points + 0.5, seed=0).dtype
    ((1, 64, 64, 3), dtype('uint8'))
    """
    count, markers = points.shape[:2]
    require(
        markers == len(MARKERS), f'there are {len(MARKERS)} markers; got points {points.shape}.'
    )
    opacity = real((count, markers), 0.6, 1, seed=seed, stream=stream + 2)
    layers = textured(count, 1, _SIDE, seed=seed, stream=stream + 10)
    noise = noisy(count, _SIDE, seed=seed, stream=stream + 20)
    images = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    colours = np.broadcast_to(_COLOURS[:, None, None], (markers, _SIDE, _SIDE, 3))
    for index, (background, grain) in enumerate(zip(layers, noise, strict=True)):
        shares = opacity[index, :, None, None] * _opacity(points[index].astype(np.float64))
        rest = 1 - shares[0] - shares[1] - shares[2] - shares[3]
        images[index] = mixed(
            np.concatenate([rest[None], shares]), np.concatenate([background, colours]), grain
        )
    return images


def _opacity(points: Float[np.ndarray, 'keypoints 2']) -> Float[np.ndarray, 'keypoints side side']:
    """How much each marker covers of each pixel, in order."""
    samples = (np.arange(_SIDE * _SAMPLES) + 0.5) / _SAMPLES - 0.5
    squares = (samples - points[..., None]) ** 2
    inside = np.maximum(1 - (squares[:, 0, :, None] + squares[:, 1, None, :]) / _RADIUS**2, 0)
    total = np.zeros((len(points), _SIDE, _SIDE))
    for i in range(_SAMPLES):
        for j in range(_SAMPLES):  # in this order: sums of NumPy's differ between machines
            one = inside[:, i::_SAMPLES, j::_SAMPLES]
            total = total + one * one
    return total / _SAMPLES**2
