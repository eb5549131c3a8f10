"""Images to masks: mIoU, mASSC, and pictures of where shifts change the mask."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import (
    Predict,
    all_shifts,
    boundary_iou,
    mask_shift_consistency,
    mean_iou,
    predict_outputs,
)
from cnn_jax.runs.tasks.any_network import OF_ANY_NETWORK
from cnn_jax.runs.tasks.judged import Arrays, Found, Judged
from cnn_jax.training.objectives import IGNORED


def output_shape(image_shape: tuple[int, int, int], classes: int) -> tuple[int, ...]:
    """Logits of each pixel."""
    return *image_shape[:2], classes


@jax.jit
def _largest(logits: jax.Array) -> jax.Array:
    return logits.argmax(-1).astype(jnp.uint8)


def _masks(predict: Predict) -> Predict:
    """From images to each pixel's class: an image's logits need too much memory to be kept."""
    return lambda images: _largest(predict(images))


def answers(predict: Predict, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Each pixel's class, uint8 (images, height, width)."""
    return predict_outputs(_masks(predict), images, batch_size=batch_size)


def figures(masks: np.ndarray, split: Split) -> Found:
    """mIoU; the loss would need the logits again."""
    return {'accuracy': mean_iou(masks, split.labels), 'loss': None}


def _consistency(judged: Judged, border: str, *, foreground: bool = False) -> np.ndarray:
    return mask_shift_consistency(
        judged.predict,
        judged.test.images,
        key=judged.key,
        max_shift=judged.evaluation.max_shift,
        border=border,
        foreground=foreground,
        batch_size=judged.evaluation.batch_size,
    )


def headlines(judged: Judged) -> tuple[Found, Arrays]:
    """mASSC and pixel accuracy; each image's mASSC, and what its pictures need."""
    consistent = _consistency(judged, judged.evaluation.border)
    seen = judged.test.labels != IGNORED
    right = (judged.answers == judged.test.labels) & seen
    found = {
        'consistency': float(np.nanmean(consistent)),
        'pixel_accuracy': float(right.sum() / max(1, seen.sum())),
    }
    return found, {'consistency_of_image': consistent.astype(np.float32), **_pictures(judged)}


def _pictures(judged: Judged) -> Arrays:
    """A few images, their true and predicted masks, and the share of shifts that change a pixel."""
    judged_by, kept = judged.evaluation, judged.evaluation.maps
    images, truth, masks = (
        array[:kept] for array in (judged.test.images, judged.test.labels, judged.answers)
    )
    changed = np.zeros(masks.shape, np.float32)
    seen = np.zeros(masks.shape, np.float32)
    for shift in all_shifts(judged_by.max_shift) if kept else ():
        moved = predict_outputs(
            _masks(judged.predict),
            images,
            shifts=np.tile(shift, (len(images), 1)),
            border=judged_by.border,
            batch_size=min(judged_by.batch_size, len(images)),
        )
        back = np.roll(moved, -shift, (1, 2))
        there = np.roll(_inside(masks.shape[1:], shift, judged_by.border), -shift, (0, 1))
        changed += (back != masks) & there
        seen += there
    return {
        'picture_images': images,
        'picture_labels': truth,
        'picture_predictions': masks,
        'picture_changed': changed / np.maximum(seen, 1),
    }


def _inside(size: tuple[int, ...], shift: np.ndarray, border: str) -> np.ndarray:
    """Which pixels of a shifted image show what the image showed."""
    if border == 'circular':
        return np.ones(size, bool)
    rows, columns = (np.arange(n) - move for n, move in zip(size, shift, strict=True))
    inside = [(at >= 0) & (at < n) for at, n in zip((rows, columns), size, strict=True)]
    return inside[0][:, None] & inside[1]


def _circular(judged: Judged) -> Found:
    return {'consistency_circular': float(np.nanmean(_consistency(judged, 'circular')))}


def _foreground(judged: Judged) -> Found:
    shares = _consistency(judged, judged.evaluation.border, foreground=True)
    return {'consistency_foreground': float(np.nanmean(shares))}


def _boundary(judged: Judged) -> Found:
    return {'boundary_iou': boundary_iou(judged.answers, judged.test.labels, distance=2)}


MEASURES: Mapping[str, Callable[[Judged], Found]] = {
    'circular': _circular,
    'foreground': _foreground,
    'boundary': _boundary,
    **OF_ANY_NETWORK,
}
