"""The metrics and predictions of a trained model, always on every test image."""

import io
from typing import Any

import jax
import numpy as np

from cnn_jax.data import Dataset, Split
from cnn_jax.errors import is_number
from cnn_jax.evaluation import Predict, predict_outputs, predictor
from cnn_jax.models import Classifier
from cnn_jax.runs.config import Cell
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.tasks import Judged, task_of
from cnn_jax.streams import Stream, stream_key
from cnn_jax.training import TrainState


def final_evaluation(
    classifier: Classifier, cell: Cell, dataset: Dataset, state: TrainState
) -> tuple[dict, bytes]:
    """The task's headlines and the chosen measures, and the content of `predictions.npz`."""
    task, judged_by, test = task_of(cell), cell.evaluation, dataset.test
    classes = dataset.num_classes
    predict = predictor(classifier, state.variables)
    answers = task.answers(predict, test.images, judged_by.batch_size)
    key = stream_key(jax.random.key(cell.seed), Stream.SHIFTS, 0)
    judged = Judged(classifier, state.variables, judged_by, test, answers, classes, key)
    found, arrays = task.headlines(judged)
    for name in judged_by.measures or ():
        found |= task.measures[name](judged)
    arrays |= {name: found.pop(name) for name in list(found) if isinstance(found[name], np.ndarray)}
    content = io.BytesIO()
    stored: dict[str, Any] = arrays
    np.savez_compressed(content, **stored)
    figures = {
        **task.figures(answers, test, classes),
        **found,
        **_own_figures(judged_by, predict, test),
    }
    return figures, content.getvalue()


def _own_figures(judged: Evaluation, predict: Predict, test: Split) -> dict[str, float]:
    """The values of the user's own metrics, by name; raises BadInput if one is not a number."""

    def batched(images: np.ndarray) -> np.ndarray:
        return predict_outputs(predict, images, batch_size=judged.batch_size)

    figures = {}
    for metric in judged.metrics:
        value = metric(batched, test.images, test.labels)
        number = value.item() if getattr(value, 'shape', None) == () else value
        if not is_number(number):  # fails this cell alone: others may succeed
            raise TypeError(
                f'{metric.__name__} must return a finite number; got {repr(value)[:60]}'
            )
        figures[metric.__name__] = float(number)
    return figures
