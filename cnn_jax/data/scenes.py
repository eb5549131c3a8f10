"""`shapes_segmentation` and `shapes_detection`: several shapes an image, exact masks and boxes.

64x64 colour images of discs, squares, triangles, stars and crosses of many sizes and angles, which
hide one another in part, on a background; textures and noise lie over all. A shape's colour does
not tell its class. Everything is computed by additions, products, quotients and square roots of
float64, which are the same on every machine and numpy version.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.painting import mixed, noisy, real, textured, whole
from cnn_jax.errors import require

SHAPES = ('disc', 'square', 'triangle', 'star', 'cross')

_SIDE = 64  # pixels
_MOST = 5  # shapes that an image may have
_SAMPLES = 3  # an axis and pixel; the one in the middle is the pixel's centre
_SMALLEST, _LARGEST = 7.0, 13.0  # radius of a disc, in pixels; other shapes reach out to 1.3 times
_MARGIN = 4.0  # of a shape's centre from the border
_TURN = 2**0.5 - 1  # the tangent of half of 45 degrees, the largest angle
_LEAST_VISIBLE = 0.5  # a shape of which less would be visible is left out
_ROOT5 = 5**0.5
_TRIANGLE = np.array([[1, 0], [-0.5, 0.75**0.5], [-0.5, -(0.75**0.5)]])  # outward normals
_COSINES = (_ROOT5 - 1) / 4, (-_ROOT5 - 1) / 4  # of 72 and 144 degrees
_SINES = (10 + 2 * _ROOT5) ** 0.5 / 4, (10 - 2 * _ROOT5) ** 0.5 / 4
_PENTAGON = np.array(
    [[1, 0]] + [[_COSINES[i], sign * _SINES[i]] for i, sign in ((0, 1), (1, 1), (1, -1), (0, -1))]
)


class Shapes(NamedTuple):
    """The shapes of some images, those in front first; the last ones may not be used."""

    used: Bool[np.ndarray, 'n shapes']
    kind: np.ndarray  # indices into SHAPES
    radius: np.ndarray  # pixels
    y: np.ndarray  # of the centre, in pixels; the first pixel covers [0, 1)
    x: np.ndarray
    cosine: np.ndarray  # of the angle by which the shape is turned
    sine: np.ndarray


def make_shapes_segmentation(*, train: int = 4000, test: int = 1000, seed: int = 0) -> Dataset:
    """Draws images of several shapes, and for each pixel the class of what is seen at its centre.

    Class 0 is the background. train, test: how many images, at least one each, otherwise
    `BadInput`. Equal arguments give equal images. Pixels are anti-aliased by 3x3 samples each.

    >>> dataset = make_shapes_segmentation(train=2, test=1)
    >>> dataset.image_shape, dataset.train.labels.shape, dataset.class_names[:3]
    ((64, 64, 3), (2, 64, 64), ('background', 'disc', 'square'))
    """
    splits = _draw(train, test, seed)
    return Dataset(
        'shapes_segmentation',
        *(Split(images, masks) for images, masks, _ in splits),
        class_names=('background', *SHAPES),
        task='segmentation',
    )


def make_shapes_detection(*, train: int = 4000, test: int = 1000, seed: int = 0) -> Dataset:
    """The images of `make_shapes_segmentation`, with the box of each shape, at most five.

    A box is tight around the pixels at whose centre the shape is visible: what is hidden by
    another shape, or lies outside the image, does not count.

    >>> dataset = make_shapes_detection(train=2, test=1)
    >>> dataset.train.labels.shape, dataset.class_names[0]
    ((2, 5, 5), 'disc')
    """
    splits = _draw(train, test, seed)
    return Dataset(
        'shapes_detection',
        *(Split(images, boxes) for images, _, boxes in splits),
        class_names=SHAPES,
        task='detection',
    )


def _draw(train: int, test: int, seed: int) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    require(train > 0 and test > 0, f'{train} train and {test} test images: give at least 1 each.')
    return [
        _draw_split(count, seed=seed, stream=stream) for count, stream in ((train, 0), (test, 100))
    ]


def _draw_split(
    count: int, *, seed: int, stream: int
) -> tuple[
    UInt8[np.ndarray, 'n side side 3'],
    UInt8[np.ndarray, 'n side side'],
    Float32[np.ndarray, 'n shapes 5'],
]:
    """Images, masks and boxes."""
    shapes = draw_shapes(count, seed=seed, stream=stream)
    images = np.empty((count, _SIDE, _SIDE, 3), np.uint8)
    masks = np.empty((count, _SIDE, _SIDE), np.uint8)
    boxes = np.full((count, _MOST, 5), -1, np.float32)
    layers = textured(count, _MOST + 1, _SIDE, seed=seed, stream=stream + 10)
    for index, (layer, noise) in enumerate(
        zip(layers, noisy(count, _SIDE, seed=seed, stream=stream + 20), strict=True)
    ):
        one = Shapes(*(values[index] for values in shapes))
        owners = _owners(one)
        images[index] = mixed(_shares(owners), layer, noise)
        seen = owners[_SAMPLES // 2 :: _SAMPLES, _SAMPLES // 2 :: _SAMPLES]
        masks[index] = np.array([0, *(one.kind + 1)])[seen]
        boxes[index] = _boxes(seen, one)
    return images, masks, boxes


def draw_shapes(count: int, *, seed: int, stream: int) -> Shapes:
    """Two to five shapes for each of `count` images.

    >>> int(draw_shapes(100, seed=0, stream=0).used.sum(1).min())
    2
    """
    shape = count, _MOST
    numbers = whole((count, 1), 2, _MOST + 1, seed=seed, stream=stream)
    tangent = real(shape, -_TURN, _TURN, seed=seed, stream=stream + 5)
    turned = 1 + tangent * tangent
    return Shapes(
        used=np.arange(_MOST) < numbers,
        kind=whole(shape, 0, len(SHAPES), seed=seed, stream=stream + 1),
        radius=real(shape, _SMALLEST, _LARGEST, seed=seed, stream=stream + 2),
        y=real(shape, _MARGIN, _SIDE - _MARGIN, seed=seed, stream=stream + 3),
        x=real(shape, _MARGIN, _SIDE - _MARGIN, seed=seed, stream=stream + 4),
        cosine=(1 - tangent * tangent) / turned,
        sine=2 * tangent / turned,
    )


def _owners(shapes: Shapes) -> UInt8[np.ndarray, 'samples samples']:
    """For each sample the shape that is seen there: 0 the background, i the shape i - 1."""
    places = (np.arange(_SIDE * _SAMPLES) + 0.5) / _SAMPLES
    owners = np.zeros((places.size, places.size), np.uint8)
    centres = slice(_SAMPLES // 2, None, _SAMPLES)
    for i in np.flatnonzero(shapes.used):
        y, x, reach = shapes.y[i], shapes.x[i], 1.3 * shapes.radius[i]
        rows = slice(*np.searchsorted(places, (y - reach, y + reach)))
        columns = slice(*np.searchsorted(places, (x - reach, x + reach)))
        dy, dx = places[rows, None] - y, places[None, columns] - x
        u = shapes.cosine[i] * dy + shapes.sine[i] * dx
        v = shapes.cosine[i] * dx - shapes.sine[i] * dy
        whole_shape = np.zeros(owners.shape, bool)
        whole_shape[rows, columns] = _inside(int(shapes.kind[i]), u, v, float(shapes.radius[i]))
        visible = whole_shape & (owners == 0)
        if visible[centres, centres].sum() >= _LEAST_VISIBLE * whole_shape[centres, centres].sum():
            owners[visible] = i + 1
    return owners


def _inside(
    kind: int, u: Float[np.ndarray, 'h w'], v: Float[np.ndarray, 'h w'], radius: float
) -> Bool[np.ndarray, 'h w']:
    """Which points (u, v), from the centre and turned with the shape, belong to it."""
    if kind == 0:
        return u * u + v * v <= radius * radius
    if kind == 1:
        return np.maximum(abs(u), abs(v)) <= 0.85 * radius
    if kind == 2:  # up to 1.24 radii from the centre
        return np.all([a * u + b * v <= 0.62 * radius for a, b in _TRIANGLE], 0)
    if kind == 3:  # a point of a five-pointed star is outside at most one side of its pentagon
        beyond = [a * u + b * v > 0.4 * radius for a, b in _PENTAGON]
        return np.sum(beyond, 0) <= 1
    near, far = np.minimum(abs(u), abs(v)), np.maximum(abs(u), abs(v))
    return (near <= 0.35 * radius) & (far <= 1.1 * radius)


def _shares(owners: np.ndarray) -> Float[np.ndarray, 'layers side side']:
    """How much of each pixel shows the background and each of the shapes, in order."""
    pixels = np.arange(_SIDE * _SAMPLES) // _SAMPLES
    places = (pixels[:, None] * _SIDE + pixels) * (_MOST + 1) + owners
    counts = np.bincount(places.ravel(), minlength=_SIDE * _SIDE * (_MOST + 1))
    return counts.reshape(_SIDE, _SIDE, _MOST + 1).transpose(2, 0, 1) / _SAMPLES**2


def _boxes(seen: np.ndarray, shapes: Shapes) -> Float32[np.ndarray, 'shapes 5']:
    """The tight box of each shape in the map of what is seen, in order; then rows of -1."""
    found = np.full((_MOST, 5), -1, np.float32)
    for row, i in enumerate(np.unique(seen[seen > 0])):
        ys, xs = np.nonzero(seen == i)
        found[row] = ys.min(), xs.min(), ys.max() + 1, xs.max() + 1, shapes.kind[i - 1]
    return found
