"""Images to keypoints: how far from the truth, and how steady under shifts."""

from collections.abc import Callable, Mapping

import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import (
    Predict,
    all_shifts,
    keypoint_error,
    keypoint_shift_consistency,
    keypoints_within,
    phase_bias,
    predict_points,
)
from cnn_jax.runs.tasks.any_network import OF_ANY_NETWORK
from cnn_jax.runs.tasks.judged import Arrays, Found, Judged

_RIGHT = 1.0
"""Pixels from the truth within which a keypoint counts as right."""
_STEADY = 0.25
"""Pixels by which a keypoint may move differently from its image and still count as steady."""


def output_shape(image_shape: tuple[int, int, int], classes: int) -> tuple[int, ...]:
    """(y, x) of each keypoint, in pixels."""
    del image_shape
    return classes, 2


def answers(predict: Predict, images: np.ndarray, batch_size: int) -> np.ndarray:
    """(images, keypoints, 2), in pixels."""
    return predict_points(predict, images, batch_size=batch_size)


def figures(points: np.ndarray, split: Split, classes: int) -> Found:
    """The share of keypoints within a pixel of the truth, and Huber's loss."""
    del classes
    apart = np.abs(points - split.labels)
    huber = np.where(apart <= 1, apart**2 / 2, apart - 0.5)
    right = keypoints_within(points, split.labels, pixels=_RIGHT)
    return {'accuracy': right, 'loss': float(huber.mean())}


def headlines(judged: Judged) -> tuple[Found, Arrays]:
    """Steadiness, error and drift; the keypoints, and what the pictures need."""
    judged_by, test = judged.evaluation, judged.test
    drift = keypoint_shift_consistency(
        judged.predict,
        test.images,
        key=judged.key,
        max_shift=judged_by.max_shift,
        border=judged_by.border,
        batch_size=judged_by.batch_size,
    )
    found = {
        'consistency': float((drift <= _STEADY).mean()),
        'keypoint_error': keypoint_error(judged.answers, test.labels),
        'keypoint_drift': float(drift.mean()),
    }
    points = {'labels': test.labels, 'predictions': judged.answers.astype(np.float32)}
    return found, {**points, 'drift': drift.astype(np.float32), **_pictures(judged)}


def _pictures(judged: Judged) -> Arrays:
    """A few images with their keypoints as predicted under every shift, moved back."""
    judged_by, kept = judged.evaluation, judged.evaluation.maps
    images = judged.test.images[:kept]
    moved = [
        predict_points(
            judged.predict,
            images,
            shifts=np.tile(shift, (len(images), 1)),
            border=judged_by.border,
            batch_size=len(images),
        )
        - shift
        for shift in (all_shifts(judged_by.max_shift) if kept else ())
    ]
    empty = np.empty((0, 0, judged.classes, 2))
    return {
        'picture_images': images,
        'picture_labels': judged.test.labels[:kept],
        'picture_moved': (np.stack(moved, 1) if moved else empty).astype(np.float32),
    }


def _phase(judged: Judged) -> Found:
    return {'phase_bias': phase_bias(judged.answers, judged.test.labels)}


MEASURES: Mapping[str, Callable[[Judged], Found]] = {'phase': _phase, **OF_ANY_NETWORK}
