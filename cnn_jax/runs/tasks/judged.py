"""A trained network and everything that its measures need."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import Predict, predictor
from cnn_jax.models import Classifier
from cnn_jax.runs.judging import Evaluation

Found = dict[str, Any]  # name -> a share, a number, or numbers by name
Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Judged:
    """A trained network and everything that its measures need."""

    classifier: Classifier
    variables: Mapping
    evaluation: Evaluation
    test: Split
    answers: np.ndarray
    """Of the test images: see `Task.answers`."""
    classes: int
    """How many classes, or keypoints, there are."""
    key: jax.Array
    """Draws the pairs of shifts: one for each seed."""

    @property
    def predict(self) -> Predict:
        """From uint8 images to outputs."""
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
