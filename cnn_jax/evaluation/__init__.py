"""Metrics for any function from images to logits, masks, boxes or points.

Accuracy, consistency, robustness, cost.
"""

from cnn_jax.evaluation.accuracy import accuracy, mean_loss
from cnn_jax.evaluation.aliasing import energy_above_nyquist
from cnn_jax.evaluation.average_precision import (
    IOU_THRESHOLDS,
    Bounds,
    average_precision_bounds,
    mean_average_precision,
)
from cnn_jax.evaluation.boxes import Detections, box_ious, decode_boxes
from cnn_jax.evaluation.calibration import expected_calibration_error
from cnn_jax.evaluation.corruptions import CORRUPTIONS, accuracy_under, corrupt, warp
from cnn_jax.evaluation.cost import images_per_second, xla_flops
from cnn_jax.evaluation.keypoints import (
    PhaseCurve,
    keypoint_error,
    keypoint_phase_curve,
    keypoint_shift_consistency,
    keypoints_within,
    predict_points,
)
from cnn_jax.evaluation.mask_shifts import mask_shift_consistency
from cnn_jax.evaluation.masks import boundary_iou, class_ious, mean_iou, predict_masks
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
    'IOU_THRESHOLDS',
    'Bounds',
    'Detections',
    'PhaseCurve',
    'Predict',
    'accuracy',
    'accuracy_under',
    'all_shifts',
    'average_precision_bounds',
    'averaged_over_shifts',
    'boundary_iou',
    'box_ious',
    'class_ious',
    'correct_under_all_shifts',
    'corrupt',
    'decode_boxes',
    'draw_shift_pairs',
    'energy_above_nyquist',
    'expected_calibration_error',
    'half_pixel_consistency',
    'images_per_second',
    'keypoint_error',
    'keypoint_phase_curve',
    'keypoint_shift_consistency',
    'keypoints_within',
    'mask_shift_consistency',
    'mean_average_precision',
    'mean_iou',
    'mean_loss',
    'predict_logits',
    'predict_masks',
    'predict_outputs',
    'predict_points',
    'predictor',
    'shift_consistency',
    'shift_map',
    'shifted_answers',
    'warp',
    'xla_flops',
]
