"""Images to boxes: mAP, its bounds under shifts, and whether shifts change what is found."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import (
    Detections,
    Predict,
    average_precision_bounds,
    box_agreement,
    decode_boxes,
    draw_shift_pairs,
    mean_average_precision,
    predict_outputs,
)
from cnn_jax.runs.tasks.any_network import OF_ANY_NETWORK
from cnn_jax.runs.tasks.judged import Arrays, Found, Judged

STRIDE = 4  # pixels of a cell of the network's map
_MOST = 30  # boxes kept of an image
_SURE = 0.3  # the score from which on a box counts in the agreement and in the pictures


def output_shape(image_shape: tuple[int, int, int], classes: int) -> tuple[int, ...]:
    """The classes' heat maps, then height, width and (y, x) of a box's centre in its cell."""
    return image_shape[0] // STRIDE, image_shape[1] // STRIDE, classes + 4


def answers(predict: Predict, images: np.ndarray, batch_size: int) -> np.ndarray:
    """The network's map for each image."""
    return predict_outputs(predict, images, batch_size=batch_size)


def _decode(outputs: np.ndarray) -> Detections:
    return decode_boxes(outputs, outputs.shape[-1] - 4, STRIDE, most=_MOST)


def figures(outputs: np.ndarray, split: Split, classes: int) -> Found:
    """mAP; the loss is training's alone."""
    del classes
    return {'accuracy': mean_average_precision(*_decode(outputs), split.labels), 'loss': None}


def headlines(judged: Judged) -> tuple[Found, Arrays]:
    """Agreement under shifts and AP50; each image's agreement, and what its pictures need."""
    judged_by, images = judged.evaluation, judged.test.images
    pairs = draw_shift_pairs(judged.key, len(images), max_shift=judged_by.max_shift)
    how = {'border': judged_by.border, 'batch_size': judged_by.batch_size}
    first, second = (
        _moved_back(_decode(predict_outputs(judged.predict, images, shifts=shifts, **how)), shifts)
        for shifts in (pairs[:, 0], pairs[:, 1])
    )
    agree = box_agreement(first, second, least_score=_SURE)
    found = _decode(judged.answers)
    kept = judged_by.maps
    sure = np.where(found.scores >= _SURE, found.classes, -1)[..., None]
    return {
        'consistency': float(agree.mean()),
        'average_precision_50': mean_average_precision(*found, judged.test.labels, (0.5,)),
    }, {
        'consistency_of_image': agree.astype(np.float32),
        'picture_images': images[:kept],
        'picture_labels': judged.test.labels[:kept],
        'picture_predictions': np.concatenate([found.boxes, sure], -1)[:kept].astype(np.float32),
    }


def _moved_back(found: Detections, shifts: np.ndarray) -> Detections:
    return found._replace(boxes=found.boxes - np.tile(shifts, 2)[:, None])


def _bounds(judged: Judged) -> Found:
    few = judged.hard
    bounds = average_precision_bounds(
        judged.predict,
        few.images,
        few.labels,
        decode=partial(decode_boxes, num_classes=judged.classes, stride=STRIDE, most=_MOST),
        max_shift=judged.evaluation.max_shift,
        border=judged.evaluation.border,
        batch_size=judged.evaluation.batch_size,
    )
    return {'accuracy_lower': bounds.lower, 'accuracy_upper': bounds.upper}


MEASURES: Mapping[str, Callable[[Judged], Found]] = {'bounds': _bounds, **OF_ANY_NETWORK}
