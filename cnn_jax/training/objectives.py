"""What training minimises, for each task: outputs and labels to the loss of each example."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, UInt8

from cnn_jax.data.targets import IGNORED

_SPREAD = 0.25
"""Standard deviation of a heat map's peak, over the square root of the box's area."""
_FOCUS, _REST = 2.0, 4.0
"""The exponents of the focal loss: CornerNet's alpha and beta."""


def _none_correct(outputs: Array, labels: Array) -> Int[Array, '']:
    """For tasks in which an example is not simply right or wrong."""
    del outputs, labels
    return jnp.zeros((), jnp.int32)


@dataclass(frozen=True)
class Objective:
    """What training minimises.

    Attributes:
        losses: `(outputs, labels)` to the loss of each example, (batch,).
        correct: `(outputs, labels)` to the number of examples that are right, for the log.
    """

    losses: Callable[[Array, Array], Array]
    correct: Callable[[Array, Array], Array] = _none_correct


def cross_entropy(
    logits: Float[Array, 'batch classes'], labels: Int[Array, 'batch'], *, smoothing: float = 0.0
) -> Float[Array, 'batch']:
    """Cross-entropy of each example, in nats, with `smoothing` spread over all classes.

    >>> float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]))[0]).__round__(4)  # log 4
    1.3863
    """
    targets = optax.smooth_labels(jax.nn.one_hot(labels, logits.shape[-1]), smoothing)
    return optax.softmax_cross_entropy(logits, targets)


def _correct_classes(
    logits: Float[Array, 'batch classes'], labels: Int[Array, 'batch']
) -> Int[Array, '']:
    return jnp.sum(logits.argmax(-1) == labels, dtype=jnp.int32)


def classification(*, label_smoothing: float = 0.0) -> Objective:
    """Cross-entropy.

    >>> objective = classification(label_smoothing=0.1)
    >>> objective.losses(jnp.zeros((2, 4)), jnp.array([0, 1])).shape
    (2,)
    """
    return Objective(partial(cross_entropy, smoothing=label_smoothing), _correct_classes)


CLASSIFICATION = classification()


def pixel_cross_entropy(
    logits: Float[Array, 'batch height width classes'], masks: UInt8[Array, 'batch height width']
) -> Float[Array, 'batch']:
    """The mean cross-entropy over each image's judged pixels, in nats; 0 where there are none.

    >>> masks = jnp.array([[[0, 255]]], jnp.uint8)
    >>> float(pixel_cross_entropy(jnp.zeros((1, 1, 2, 4)), masks)[0]).__round__(4)  # log 4
    1.3863
    """
    judged = masks != IGNORED
    classes = jnp.where(judged, masks, 0).astype(jnp.int32)
    log_shares = jax.nn.log_softmax(logits)
    # A product with the one-hot classes, not a gather, whose gradient would be a scatter.
    losses = -jnp.sum(log_shares * jax.nn.one_hot(classes, logits.shape[-1]), -1)
    number = judged.sum((1, 2))
    return jnp.sum(losses * judged, (1, 2)) / jnp.maximum(number, 1)


def heat_map_targets(
    boxes: Float[Array, 'batch boxes 5'], size: tuple[int, int], classes: int, stride: float
) -> tuple[Float[Array, 'batch height width classes'], Float[Array, 'batch boxes height width']]:
    """The heat maps to be learned, and for each box a map that is 1 in the cell of its centre.

    After Zhou et al. 2019 (CenterNet, arXiv:1904.07850, section 3): each class's map is the maximum
    over its boxes of exp(-d^2 / (2 s^2)), where d is the distance in cells from the cell of the
    box's centre, so it is 1 there. Theirs takes s from the overlap of shifted boxes; here it is a
    quarter of the square root of the box's area, in cells. boxes: y_low, x_low, y_high, x_high in
    pixels, and the class; rows of -1 hold no box. A cell is `stride` pixels wide.

    >>> boxes = jnp.array([[[0, 0, 4, 4, 0], [-1, -1, -1, -1, -1]]], jnp.float32)
    >>> heat, cells = heat_map_targets(boxes, (2, 2), 1, 4.0)
    >>> heat[0, :, :, 0].round(3).tolist(), float(cells.sum())
    ([[1.0, 0.0], [0.0, 0.0]], 1.0)
    """
    there = boxes[..., 4] >= 0
    centre = (boxes[..., 0:2] + boxes[..., 2:4]) / 2 / stride
    cell = jnp.clip(jnp.floor(centre), 0, jnp.array(size) - 1)
    area = jnp.prod(boxes[..., 2:4] - boxes[..., 0:2], -1) / stride**2
    scale = jnp.maximum(_SPREAD * jnp.sqrt(jnp.maximum(area, 0)), 1e-3)
    rows = jnp.arange(size[0])[:, None] - cell[..., 0, None, None]
    columns = jnp.arange(size[1]) - cell[..., 1, None, None]
    squared = rows**2 + columns**2
    peaks = jnp.exp(-squared / (2 * scale[..., None, None] ** 2)) * there[..., None, None]
    of_class = jax.nn.one_hot(boxes[..., 4].astype(jnp.int32), classes)
    heat = (peaks[..., None] * of_class[:, :, None, None]).max(1)
    return heat, (squared == 0) * there[..., None, None].astype(peaks.dtype)


def detection_losses(
    outputs: Float[Array, 'batch height width channels'],
    boxes: Float[Array, 'batch boxes 5'],
    *,
    stride: float = 4.0,
) -> Float[Array, 'batch']:
    """The loss of a centre-heat-map detector (Zhou et al. 2019, CenterNet, equations 1 to 4).

    outputs: logits of the classes' heat maps, then a box's height and width in pixels, then the
    (y, x) of its centre within its cell. The focal loss (alpha 2, beta 4) of the heat maps, plus
    the absolute error of the centres, plus a tenth of that of the sizes, each over the number of
    boxes.

    >>> outputs = jnp.zeros((1, 2, 2, 5))
    >>> boxes = jnp.full((1, 1, 5), -1.0)  # no box: nothing should be seen anywhere
    >>> float(detection_losses(outputs, boxes)[0]).__round__(4)  # four cells of log(2) / 4
    0.6931
    """
    size, classes = (outputs.shape[1], outputs.shape[2]), outputs.shape[-1] - 4
    heat, cells = heat_map_targets(boxes, size, classes, stride)
    logits, sizes, places = jnp.split(outputs, (classes, classes + 2), axis=-1)
    seen = jax.nn.sigmoid(logits)
    hits = (1 - seen) ** _FOCUS * -jax.nn.log_sigmoid(logits)
    misses = (1 - heat) ** _REST * seen**_FOCUS * -jax.nn.log_sigmoid(-logits)
    focal = jnp.where(heat == 1, hits, misses).sum((1, 2, 3))
    centre = (boxes[..., 0:2] + boxes[..., 2:4]) / 2 / stride
    there = (boxes[..., 4] >= 0)[..., None]
    at_box = partial(jnp.einsum, 'bnhw,bhwc->bnc', cells)
    place_error = jnp.abs(at_box(places) - (centre - jnp.floor(centre))) * there
    size_error = jnp.abs(at_box(sizes) - (boxes[..., 2:4] - boxes[..., 0:2])) * there
    number = jnp.maximum(there.sum((1, 2)), 1)
    return (focal + place_error.sum((1, 2)) + 0.1 * size_error.sum((1, 2))) / number


def keypoint_losses(
    points: Float[Array, 'batch keypoints 2'], truth: Float[Array, 'batch keypoints 2']
) -> Float[Array, 'batch']:
    """Huber's loss of the coordinates, in pixels: squares up to one pixel; a mean over keypoints.

    >>> float(keypoint_losses(jnp.zeros((1, 1, 2)), jnp.array([[[1.0, 3.0]]]))[0])
    1.5
    """
    return optax.huber_loss(points, truth).mean((1, 2))


OBJECTIVES: Mapping[str, Objective] = {
    'classification': CLASSIFICATION,
    'segmentation': Objective(pixel_cross_entropy),
    'detection': Objective(detection_losses),
    'keypoints': Objective(keypoint_losses),
}
