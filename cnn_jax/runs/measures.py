"""The measures that a config may choose in addition to those of every cell."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import (
    CORRUPTIONS,
    Predict,
    accuracy,
    accuracy_under,
    averaged_over_shifts,
    correct_under_all_shifts,
    energy_above_nyquist,
    expected_calibration_error,
    half_pixel_consistency,
    images_per_second,
    predict_logits,
    predictor,
    shift_consistency,
)
from cnn_jax.inspection.equivariance import equivariance_maps
from cnn_jax.inspection.sites import downsampling_inputs
from cnn_jax.models import Classifier
from cnn_jax.runs.judging import Evaluation

_LOOKED_INTO = 32  # images whose maps are examined: these measures vary little between images


@dataclass(frozen=True, eq=False)
class Judged:
    """A trained network and everything that its measures need."""

    classifier: Classifier
    variables: Mapping
    evaluation: Evaluation
    test: Split
    logits: np.ndarray
    """Of the test images."""
    key: jax.Array
    """Draws the pairs of shifts: one for each seed."""

    @property
    def predict(self) -> Predict:
        """From uint8 images to logits."""
        return predictor(self.classifier, self.variables)

    @functools.cached_property
    def hard(self) -> Split:
        """The test images of the costly measures."""
        return spread(self.test, self.evaluation.hard_images)


def spread(split: Split, number: int) -> Split:
    """`number` evenly spaced examples, fair even if sorted by class; all of them if it is 0.

    >>> few = spread(Split(np.zeros((10, 2, 2, 1), np.uint8), np.arange(10, dtype=np.int32)), 4)
    >>> few.labels.tolist()
    [0, 2, 5, 7]
    """
    number = min(number or len(split), len(split))
    places = np.arange(number) * len(split) // number
    return Split(split.images[places], split.labels[places])


Found = dict[str, Any]  # name -> a share, a number, or numbers by name
_PER_IMAGE = 'consistent_circular', 'correct_under_all_shifts'


def _calibration(judged: Judged) -> Found:
    return {'ece': expected_calibration_error(judged.logits, judged.test.labels)}


def _circular(judged: Judged) -> Found:
    judged_by = judged.evaluation
    consistent = shift_consistency(
        judged.predict,
        judged.test.images,
        key=judged.key,
        max_shift=judged_by.max_shift,
        border='circular',
        batch_size=judged_by.batch_size,
    )
    return {
        'consistency_circular': float(consistent.mean()),
        'consistent_circular': consistent.astype(bool),
    }


def _half_pixel(judged: Judged) -> Found:
    consistent = half_pixel_consistency(
        predictor(judged.classifier, judged.variables, floats=True),
        judged.hard.images,
        key=judged.key,
        max_shift=judged.evaluation.max_shift,
        batch_size=judged.evaluation.batch_size,
    )
    return {'consistency_half_pixel': float(consistent.mean())}


def _worst_case(judged: Judged) -> Found:
    judged_by = judged.evaluation
    tried = spread(judged.test, judged_by.worst_case_images)
    right = correct_under_all_shifts(
        judged.predict,
        tried.images,
        tried.labels,
        max_shift=judged_by.max_shift,
        border=judged_by.border,
        batch_size=judged_by.batch_size,
    )
    return {
        'worst_case_accuracy': float(right.mean()),
        'worst_case_images': len(right),
        'correct_under_all_shifts': right,
    }


def _under(judged: Judged, kind: str) -> tuple[float, ...]:
    hard, batch_size = judged.hard, judged.evaluation.batch_size
    return accuracy_under(judged.predict, hard.images, hard.labels, kind, batch_size=batch_size)


def _corruptions(judged: Judged) -> Found:
    by_kind = {kind: float(np.mean(_under(judged, kind))) for kind in CORRUPTIONS}
    return {
        'corruption_accuracy': float(np.mean(list(by_kind.values()))),
        'corruption_accuracies': by_kind,
    }


def _rotation(judged: Judged) -> Found:
    return {'rotation_accuracy': float(np.mean(_under(judged, 'rotation')))}


def _scale(judged: Judged) -> Found:
    return {'scale_accuracy': float(np.mean(_under(judged, 'scale')))}


def _averaged(judged: Judged) -> Found:
    judged_by, hard = judged.evaluation, judged.hard
    predict = averaged_over_shifts(judged.predict, border=judged_by.border)
    consistent = shift_consistency(
        predict,
        hard.images,
        key=judged.key,
        max_shift=judged_by.max_shift,
        border=judged_by.border,
        batch_size=judged_by.batch_size,
    )
    logits = predict_logits(predict, hard.images, batch_size=judged_by.batch_size)
    return {
        'averaged_accuracy': accuracy(logits, hard.labels),
        'averaged_consistency': float(consistent.mean()),
    }


def _inference(judged: Judged) -> Found:
    speed = images_per_second(
        judged.predict, judged.test.images, batch_size=judged.evaluation.batch_size
    )
    return {'inference_per_second': speed}


def _normalised(judged: Judged) -> jax.Array:
    images = spread(judged.test, _LOOKED_INTO).images
    return judged.classifier.normalise(jnp.asarray(images))


def _aliasing(judged: Judged) -> Found:
    sites = downsampling_inputs(judged.classifier.model, judged.variables, _normalised(judged))
    by_site = {
        name: energy_above_nyquist(np.asarray(x), stride=stride)
        for name, (x, stride) in sites.items()
    }
    mean = float(np.mean(list(by_site.values()))) if by_site else None
    return {'aliasing': mean, 'aliasing_by_layer': by_site}


def _equivariance(judged: Judged) -> Found:
    maps = equivariance_maps(
        judged.classifier.model, judged.variables, _normalised(judged), max_shift=1
    )
    moved = {name: float(found.ravel()[1:].mean()) for name, found in maps.items()}
    pools = [error for name, error in moved.items() if 'pool' in name] or list(moved.values())
    return {'equivariance_error': float(np.mean(pools)), 'equivariance_by_layer': moved}


MEASURES: Mapping[str, Callable[[Judged], Found]] = {
    'ece': _calibration,
    'circular': _circular,
    'half_pixel': _half_pixel,
    'worst_case': _worst_case,
    'averaged': _averaged,
    'corruptions': _corruptions,
    'rotation': _rotation,
    'scale': _scale,
    'aliasing': _aliasing,
    'equivariance': _equivariance,
    'inference': _inference,
}


def measured(judged: Judged) -> tuple[Found, dict[str, np.ndarray]]:
    """The results of the chosen measures, and their results for each image."""
    found: Found = {}
    for name in judged.evaluation.measures:
        found |= MEASURES[name](judged)
    arrays = {name: found.pop(name) for name in _PER_IMAGE if name in found}
    return found, arrays
