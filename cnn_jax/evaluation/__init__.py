"""Accuracy, shift consistency and cost: measures of any function from images to logits."""

from cnn_jax.evaluation.accuracy import accuracy, mean_loss
from cnn_jax.evaluation.cost import xla_flops
from cnn_jax.evaluation.predict import Predict, predict_logits, predictor
from cnn_jax.evaluation.shifts import (
    all_shifts,
    correct_under_all_shifts,
    draw_shift_pairs,
    shift_consistency,
    shift_map,
    shifted_answers,
)

__all__ = [
    'Predict',
    'accuracy',
    'all_shifts',
    'correct_under_all_shifts',
    'draw_shift_pairs',
    'mean_loss',
    'predict_logits',
    'predictor',
    'shift_consistency',
    'shift_map',
    'shifted_answers',
    'xla_flops',
]
