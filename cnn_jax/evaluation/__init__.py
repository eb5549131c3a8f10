"""Accuracy, shift consistency and cost: pure functions of a classifier, variables and images."""

from cnn_jax.evaluation.accuracy import accuracy, mean_loss
from cnn_jax.evaluation.cost import xla_flops
from cnn_jax.evaluation.predict import predict_logits
from cnn_jax.evaluation.shifts import (
    all_shifts,
    correct_under_all_shifts,
    draw_shift_pairs,
    shift_consistent,
    shift_map,
    shifted_answers,
)

__all__ = [
    'accuracy',
    'all_shifts',
    'correct_under_all_shifts',
    'draw_shift_pairs',
    'mean_loss',
    'predict_logits',
    'shift_consistent',
    'shift_map',
    'shifted_answers',
    'xla_flops',
]
