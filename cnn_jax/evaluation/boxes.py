"""Boxes: their overlap, and how they are read from the heat maps of their centres."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Integer, Num
from scipy.ndimage import maximum_filter
from scipy.special import expit

from cnn_jax.errors import require


class Detections(NamedTuple):
    """What was found in each image; rows that hold nothing have the class -1.

    boxes: y_low, x_low, y_high, x_high in pixels, the first of which covers [0, 1) x [0, 1).

    >>> Detections(np.zeros((2, 3, 4)), np.zeros((2, 3)), np.full((2, 3), -1)).boxes.shape
    (2, 3, 4)
    """

    boxes: Num[np.ndarray, 'images detections 4']
    scores: Float[np.ndarray, 'images detections']
    classes: Integer[np.ndarray, 'images detections']


def box_ious(
    first: Num[np.ndarray, 'first 4'], second: Num[np.ndarray, 'second 4']
) -> Float[np.ndarray, 'first second']:
    """The intersection over union of every box with every other; 0 where both have no area.

    >>> box_ious(np.array([[0, 0, 2, 2]]), np.array([[0, 0, 2, 1], [5, 5, 6, 6]])).tolist()
    [[0.5, 0.0]]
    """
    one, two = first[:, None].astype(np.float64), second[None].astype(np.float64)
    ends = np.minimum(one[..., 2:], two[..., 2:]), np.maximum(one[..., :2], two[..., :2])
    both = np.maximum(ends[0] - ends[1], 0).prod(-1)
    areas = [np.maximum(box[..., 2:] - box[..., :2], 0).prod(-1) for box in (one, two)]
    either = areas[0] + areas[1] - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), 0.0)


def decode_boxes(
    outputs: Float[np.ndarray, 'images rows columns channels'],
    num_classes: int,
    stride: int = 4,
    *,
    most: int = 100,
) -> Detections:
    """The boxes that a network of heat maps of centres finds, the most probable ones first.

    After Zhou et al., 2019 (Objects as Points, section 4), without its max pooling's padding: each
    class's peaks are the cells whose logit is the largest of the 3x3 around them, also where others
    are equal. channels: the classes' logits, then the height and width of the box in pixels, then
    the offset (y, x) of its centre from the corner of the cell as a share of it, so that the cell
    (i, j) has its box around ((i + y) stride, (j + x) stride). A score is the logistic function of
    the logit. The `most` highest peaks of an image are kept, those earlier by row, column and class
    at ties; images with fewer end in rows of class -1, score 0 and boxes -1. Heights and widths
    below 0 count as 0; boxes are not cut off at the image's border.

    >>> outputs = np.full((1, 4, 4, 5), -9.0)
    >>> outputs[0, 1, 2] = [3.0, 8, 6, 0.5, 0.25]
    >>> found = decode_boxes(outputs, 1, most=1)
    >>> found.boxes[0, 0].tolist(), found.scores[0].round(3).tolist(), found.classes[0].tolist()
    ([2.0, 6.0, 10.0, 12.0], [0.953], [0])
    """
    require(
        outputs.ndim == 4 and outputs.shape[3] == num_classes + 4 and num_classes >= 1,
        f'outputs must be (images, rows, columns, {num_classes} classes + 4); got {outputs.shape}.',
    )
    require(stride >= 1 and most >= 1, f'stride and most must be at least 1; got {stride}, {most}.')
    outputs = np.asarray(outputs, np.float64)
    logits = outputs[..., :num_classes]
    around = maximum_filter(logits, (1, 3, 3, 1), mode='constant', cval=-np.inf)
    peaks = np.where(logits == around, logits, -np.inf).reshape(len(outputs), -1)
    order = np.argsort(-peaks, axis=1, kind='stable')[:, :most]
    found = np.take_along_axis(peaks, order, 1)
    rows, columns, classes = np.unravel_index(order, logits.shape[1:])
    at = outputs[np.arange(len(outputs))[:, None], rows, columns, num_classes:]
    centres = (np.stack([rows, columns], -1) + at[..., 2:]) * stride
    halves = np.maximum(at[..., :2], 0) / 2
    there = found > -np.inf
    return Detections(
        np.where(there[..., None], np.concatenate([centres - halves, centres + halves], -1), -1.0),
        np.where(there, expit(found), 0.0),
        np.where(there, classes, -1),
    )
