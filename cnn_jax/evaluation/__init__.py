"""Metrics for any function from images to logits: accuracy, consistency, robustness, cost."""

from cnn_jax.evaluation.accuracy import accuracy, mean_loss
from cnn_jax.evaluation.aliasing import energy_above_nyquist
from cnn_jax.evaluation.calibration import expected_calibration_error
from cnn_jax.evaluation.corruptions import CORRUPTIONS, accuracy_under, corrupt, warp
from cnn_jax.evaluation.cost import images_per_second, xla_flops
from cnn_jax.evaluation.predict import Predict, predict_logits, predict_outputs, predictor
from cnn_jax.evaluation.shifts import (
    all_shifts,
    averaged_over_shifts,
    correct_under_all_shifts,
    draw_shift_pairs,
    half_pixel_consistency,
    shift_consistency,
    shift_map,
    shifted_answers,
)

__all__ = [
    'CORRUPTIONS',
    'Predict',
    'accuracy',
    'accuracy_under',
    'all_shifts',
    'averaged_over_shifts',
    'correct_under_all_shifts',
    'corrupt',
    'draw_shift_pairs',
    'energy_above_nyquist',
    'expected_calibration_error',
    'half_pixel_consistency',
    'images_per_second',
    'mean_loss',
    'predict_logits',
    'predict_outputs',
    'predictor',
    'shift_consistency',
    'shift_map',
    'shifted_answers',
    'warp',
    'xla_flops',
]
