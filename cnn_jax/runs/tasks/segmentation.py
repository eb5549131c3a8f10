"""Images to masks: mIoU, mASSC, and pictures of where shifts change the mask."""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import Split
from cnn_jax.data.targets import IGNORED
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

_AT_BORDER = 2  # pixels from their region's border within which pixels count for the boundary IoU


def output_shape(image_shape: tuple[int, int, int], classes: int) -> tuple[int, ...]:
    """Logits of each pixel."""
    return *image_shape[:2], classes


@jax.jit
def _largest(logits: jax.Array) -> jax.Array:
    return logits.argmax(-1).astype(jnp.uint8)


def answers(predict: Predict, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Each pixel's class, uint8 (images, height, width): all logits would need too much memory."""
    return _masks(predict, images, batch_size=batch_size)


def _masks(predict: Predict, images: np.ndarray, **how) -> np.ndarray:
    return predict_outputs(lambda batch: _largest(predict(batch)), images, **how)


def figures(masks: np.ndarray, split: Split, classes: int) -> Found:
    """mIoU; the loss would need the logits again."""
    return {'accuracy': mean_iou(masks, split.labels, classes), 'loss': None}


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
        'consistency': float(consistent.mean()),
        'pixel_accuracy': float(right.sum() / max(1, seen.sum())),
    }
    return found, {'consistency_of_image': consistent, **_pictures(judged)}


def _pictures(judged: Judged) -> Arrays:
    """A few images, their true and predicted masks, and the share of shifts that change a pixel."""
    judged_by, kept = judged.evaluation, judged.evaluation.maps
    images, truth, masks = (
        array[:kept] for array in (judged.test.images, judged.test.labels, judged.answers)
    )
    changed, seen = np.zeros((2, *masks.shape), np.float32)
    for shift in all_shifts(judged_by.max_shift) if kept else ():
        moves = np.tile(shift, (len(images), 1))
        how = {'border': judged_by.border, 'batch_size': len(images)}
        moved = _masks(judged.predict, images, shifts=moves, **how)
        there = np.ones(masks.shape, np.uint8)
        if judged_by.border != 'circular':
            rows, columns = (np.arange(n) - s for n, s in zip(masks.shape[1:], shift, strict=True))
            inside = [(at >= 0) & (at < len(at)) for at in (rows, columns)]
            there *= inside[0][:, None] & inside[1]
        back, there = (np.roll(a, tuple(-shift), (1, 2)) for a in (moved, there))
        changed += (back != masks) & (there > 0)
        seen += there
    return {
        'picture_images': images,
        'picture_labels': truth,
        'picture_predictions': masks,
        'picture_changed': changed / np.maximum(seen, 1),
    }


def _circular(judged: Judged) -> Found:
    return {'consistency_circular': float(_consistency(judged, 'circular').mean())}


def _foreground(judged: Judged) -> Found:
    """NaN, so not measured, where no network saw anything but background."""
    shares = _consistency(judged, judged.evaluation.border, foreground=True)
    there = shares[~np.isnan(shares)]
    return {'consistency_foreground': float(there.mean()) if len(there) else None}


def _boundary(judged: Judged) -> Found:
    found = boundary_iou(judged.answers, judged.test.labels, judged.classes, distance=_AT_BORDER)
    return {'boundary_iou': found}


MEASURES: Mapping[str, Callable[[Judged], Found]] = {
    'circular': _circular,
    'foreground': _foreground,
    'boundary': _boundary,
    **OF_ANY_NETWORK,
}
