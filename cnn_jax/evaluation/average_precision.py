"""How well boxes are detected, and how much that varies with shifts of the image."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Integer, Num

from cnn_jax.data import is_box
from cnn_jax.errors import require
from cnn_jax.evaluation.boxes import Detections, box_ious
from cnn_jax.evaluation.predict import Predict, predict_outputs
from cnn_jax.evaluation.shifts import all_shifts

IOU_THRESHOLDS = tuple((50 + 5 * i) / 100 for i in range(10))
"""COCO's: 0.5, 0.55, ..., 0.95."""


def mean_average_precision(
    boxes: Num[np.ndarray, 'images detections 4'],
    scores: Float[np.ndarray, 'images detections'],
    classes: Integer[np.ndarray, 'images detections'],
    truth: Float[np.ndarray, 'images boxes 5'],
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
) -> float:
    """The area under the interpolated curve of precision against recall, averaged (mAP).

    For each class and each threshold t, detections of all images are taken by falling score (at
    ties by image, then in the order given). Each is right if, of its image's boxes of its class
    that no earlier detection took, the one with the largest IoU (the first at ties) has an IoU of
    at least t: it takes that box. The precision at a recall is the largest at that or a higher
    recall, and the average precision the area below it, summed at every step of recall: as in
    PASCAL VOC since 2010 (Everingham et al., IJCV 2015), where COCO takes the mean of 101 points of
    the same curve. The result is the mean over the thresholds and over the classes of which `truth`
    holds a box; for one threshold, give `iou_thresholds=(0.5,)`.

    Rows of class -1 hold no detection, and rows of `truth` that are all -1 no box. Raises BadInput
    if the shapes do not match or `truth` holds no box at all.

    >>> truth = np.array([[[0, 0, 4, 4, 0], [4, 4, 8, 8, 0]]], np.float32)
    >>> boxes = np.array([[[0, 0, 4, 4], [0, 4, 4, 8], [4, 4, 8, 8]]])
    >>> scores, classes = np.array([[0.9, 0.8, 0.7]]), np.array([[0, 0, 0]])
    >>> round(mean_average_precision(boxes, scores, classes, truth), 4)
    0.8333
    """
    images = len(truth)
    require(
        boxes.shape[:2] == scores.shape == classes.shape
        and len(boxes) == images
        and boxes.shape[2:] == (4,)
        and truth.shape[2:] == (5,),
        'give boxes (images, detections, 4), scores and classes (images, detections) and truth '
        f'(images, boxes, 5); got {boxes.shape}, {scores.shape}, {classes.shape}, {truth.shape}.',
    )
    kinds = _kinds(truth)
    require(len(kinds) > 0, 'truth holds no box: there is nothing to detect.')
    found = Detections(boxes, scores, classes)
    return float(np.mean([_of_class(found, truth, kind, iou_thresholds) for kind in kinds]))


def _of_class(
    found: Detections, truth: np.ndarray, kind: int, thresholds: Sequence[float]
) -> Float[np.ndarray, 'thresholds']:
    """The average precision of one class at each threshold."""
    counted, real = found.classes == kind, _is_of(truth, kind)
    right = _right(found, counted, truth, real, thresholds)
    return _area(right[:, counted], found.scores[counted], int(real.sum()))


def _kinds(truth: np.ndarray) -> list[int]:
    """The classes of which there is a box."""
    return np.unique(truth[is_box(truth)][:, 4]).astype(int).tolist()


def _is_of(truth: np.ndarray, kind: int) -> Bool[np.ndarray, 'images boxes']:
    return is_box(truth) & (truth[..., 4] == kind)


def _right(
    found: Detections,
    counted: Bool[np.ndarray, 'images detections'],
    truth: np.ndarray,
    real: Bool[np.ndarray, 'images boxes'],
    thresholds: Sequence[float],
) -> Bool[np.ndarray, 'thresholds images detections']:
    """Which of the detections of one class are right at each threshold."""
    right = np.zeros((len(thresholds), *counted.shape), bool)
    for image in np.flatnonzero(counted.any(1) & real.any(1)):
        places = np.flatnonzero(counted[image])
        places = places[np.argsort(-found.scores[image, places], kind='stable')]
        ious = box_ious(found.boxes[image, places], truth[image, real[image], :4])
        for which, threshold in enumerate(thresholds):
            left = ious.copy()
            for row in np.flatnonzero((ious >= threshold).any(1)):
                best = left[row].argmax()
                if left[row, best] >= threshold:
                    right[which, image, places[row]] = True
                    left[:, best] = -1  # taken
    return right


def _area(
    right: Bool[np.ndarray, 'thresholds detections'],
    scores: Float[np.ndarray, 'detections'],
    boxes: int,
) -> Float[np.ndarray, 'thresholds']:
    """Below the interpolated curves of precision against recall."""
    hits = right[:, np.argsort(-scores, kind='stable')]
    precision = hits.cumsum(1) / np.arange(1, hits.shape[1] + 1)
    best_from_here = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    return (best_from_here * hits).sum(1) / boxes


class Bounds(NamedTuple):
    """mAP with the worst and the best shift for each image, and without shifts.

    >>> Bounds(lower=0.5, upper=0.9, unshifted=0.8).upper
    0.9
    """

    lower: float
    upper: float
    unshifted: float


def average_precision_bounds(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    truth: Float[np.ndarray, 'images boxes 5'],
    *,
    decode: Callable[[np.ndarray], Detections],
    max_shift: int,
    border: str = 'zero',
    iou_thresholds: Sequence[float] = IOU_THRESHOLDS,
    batch_size: int = 256,
) -> Bounds:
    """How far mAP falls and rises if each image is shifted by up to `max_shift` pixels each way.

    After Manfredi and Wang (2020, arXiv 2008.05787), who search greedily for the lower and the
    upper bound of the mAP of a set of shifted images, since all combinations are too many. Here
    every image is detected under all (2 max_shift + 1)^2 shifts, and the boxes are moved back. The
    lower bound is the mAP of the set made of each image's worst detections, the upper of each
    image's best: by the mAP of that image alone, where it holds boxes, and otherwise by its highest
    score, which is better lower; at ties the earlier of `all_shifts`. An equivariant detector has
    equal bounds. Since the choice is greedy, the least possible mAP may be a little lower still.

    What moves over the border cannot be detected, so true and found boxes alike are first cut off
    `max_shift` pixels from the border of the unshifted image; what has no area then does not count.

    `predict` returns one array with an entry for each image, and `decode` makes detections of many
    of them: `partial(decode_boxes, num_classes=5)` for heat maps. Costs (2 max_shift + 1)^2 passes:
    choose few images. Raises BadInput as `mean_average_precision`.

    >>> images = np.zeros((2, 8, 8, 1), np.float32)
    >>> truth = np.array([[[2, 2, 6, 6, 0]]] * 2, np.float32)
    >>> def fixed(outputs):  # wherever an image is shifted to
    ...     box = np.tile([2, 2, 6, 6], (2, 1, 1))
    ...     return Detections(box, np.ones((2, 1)), np.zeros((2, 1), int))
    >>> average_precision_bounds(lambda x: x, images, truth, decode=fixed, max_shift=1)
    Bounds(lower=0.0, upper=1.0, unshifted=1.0)
    """
    height, width = images.shape[1:3]
    most = (min(height, width) - 1) // 2
    require(
        1 <= max_shift <= most,
        f'max_shift must be from 1 to {most} pixels for images of {height}x{width}; '
        f'got {max_shift}.',
    )
    inner = np.tile((height, width), 2) - max_shift
    seen = np.clip(truth[..., :4], max_shift, inner)
    seen = np.where(
        (is_box(truth) & _has_area(seen))[..., None], np.concatenate([seen, truth[..., 4:]], -1), -1
    ).astype(np.float32)
    shifts = all_shifts(max_shift)
    found: list[Detections] = []
    for shift in shifts:
        moves = np.tile(shift, (len(images), 1))
        outputs = predict_outputs(
            predict, images, shifts=moves, border=border, batch_size=batch_size
        )
        boxes, scores, classes = decode(outputs)
        back = np.clip(boxes - np.tile(shift, 2), max_shift, inner)
        found.append(Detections(back, scores, np.where(_has_area(back), classes, -1)))
    quality = np.stack([_qualities(one, seen, iou_thresholds) for one in found])

    def of_set(choice: np.ndarray) -> float:
        boxes, scores, classes = (
            np.stack([found[s][part][image] for image, s in enumerate(choice)]) for part in range(3)
        )
        return mean_average_precision(boxes, scores, classes, seen, iou_thresholds)

    unshifted = np.full(len(images), len(shifts) // 2)
    return Bounds(of_set(quality.argmin(0)), of_set(quality.argmax(0)), of_set(unshifted))


def _qualities(
    found: Detections, truth: np.ndarray, thresholds: Sequence[float]
) -> Float[np.ndarray, 'images']:
    """How good the detections in each image are, to be compared between its shifts."""
    total, classes = np.zeros((2, len(truth)))
    for kind in _kinds(truth):
        counted, real = found.classes == kind, _is_of(truth, kind)
        right = _right(found, counted, truth, real, thresholds)
        for image in np.flatnonzero(real.any(1)):
            some = counted[image]
            areas = _area(right[:, image, some], found.scores[image, some], int(real[image].sum()))
            total[image] += areas.mean()
            classes[image] += 1
    highest = np.where(found.classes >= 0, found.scores, 0).max(1, initial=0)
    return np.where(classes > 0, total / np.maximum(classes, 1), -highest)


def _has_area(boxes: np.ndarray) -> np.ndarray:
    return np.asarray((boxes[..., 2:4] > boxes[..., :2]).all(-1))
