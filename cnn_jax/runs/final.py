"""The metrics and predictions of a trained model, always on every test image."""

import io
from typing import Any

import jax
import numpy as np

from cnn_jax.data import Split
from cnn_jax.errors import is_number
from cnn_jax.evaluation import (
    Predict,
    accuracy,
    draw_shift_pairs,
    mean_loss,
    predict_logits,
    predictor,
    shift_map,
    shifted_answers,
)
from cnn_jax.models import Classifier
from cnn_jax.runs.config import Cell
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.measures import Judged, measured
from cnn_jax.streams import Stream, stream_key
from cnn_jax.training import TrainState


def final_evaluation(
    classifier: Classifier, cell: Cell, test: Split, state: TrainState
) -> tuple[dict, bytes]:
    """Accuracy, shift consistency and the chosen measures, and the content of `predictions.npz`."""
    judged = cell.evaluation
    predict = predictor(classifier, state.variables)
    how = {'border': judged.border, 'batch_size': judged.batch_size}
    logits = predict_logits(predict, test.images, batch_size=judged.batch_size)
    key = stream_key(jax.random.key(cell.seed), Stream.SHIFTS, 0)
    size = test.images.shape[1:3]
    pairs = draw_shift_pairs(key, len(test.labels), max_shift=judged.max_shift, size=size)
    answers = shifted_answers(predict, test.images, pairs, **how)
    consistent = answers[:, 0] == answers[:, 1]
    right = (answers == test.labels[:, None]).all(1)
    found, arrays = measured(Judged(classifier, state.variables, judged, test, logits, key))
    maps = [
        shift_map(predict, image, int(label), max_shift=judged.max_shift, border=judged.border)
        for image, label in zip(test.images[: judged.maps], test.labels[: judged.maps], strict=True)
    ]
    side = 2 * judged.max_shift + 1
    content = io.BytesIO()
    stored: dict[str, Any] = dict(
        labels=test.labels,
        predictions=logits.argmax(1).astype(np.int32),
        consistent=consistent,
        consistent_and_right=right,
        shift_maps=np.array(maps, np.float32).reshape(-1, side, side),
        shift_images=test.images[: judged.maps],
        shift_labels=test.labels[: judged.maps],
        **arrays,
    )
    np.savez_compressed(content, **stored)
    figures = {
        'accuracy': accuracy(logits, test.labels),
        'loss': mean_loss(logits, test.labels),
        'consistency': float(consistent.mean()),
        'consistent_and_right': float(right.mean()),
        **found,
        **_own_figures(judged, predict, test),
    }
    return figures, content.getvalue()


def _own_figures(judged: Evaluation, predict: Predict, test: Split) -> dict[str, float]:
    """The values of the user's own metrics, by name; raises BadInput if one is not a number."""

    def batched(images: np.ndarray) -> np.ndarray:
        return predict_logits(predict, images, batch_size=judged.batch_size)

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
