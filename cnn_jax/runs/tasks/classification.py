"""Images to classes: accuracy, shift consistency and the measures that a config may choose."""

from collections.abc import Callable, Mapping

import numpy as np

from cnn_jax.data import Split
from cnn_jax.evaluation import (
    CORRUPTIONS,
    Predict,
    accuracy,
    accuracy_under,
    averaged_over_shifts,
    correct_under_all_shifts,
    draw_shift_pairs,
    expected_calibration_error,
    half_pixel_consistency,
    mean_loss,
    predict_logits,
    predictor,
    shift_consistency,
    shift_map,
    shifted_answers,
)
from cnn_jax.runs.tasks.any_network import OF_ANY_NETWORK
from cnn_jax.runs.tasks.judged import Arrays, Found, Judged, spread


def output_shape(image_shape: tuple[int, int, int], classes: int) -> tuple[int, ...]:
    """Logits."""
    del image_shape
    return (classes,)


def answers(predict: Predict, images: np.ndarray, batch_size: int) -> np.ndarray:
    """Logits, (images, classes)."""
    return predict_logits(predict, images, batch_size=batch_size)


def figures(logits: np.ndarray, split: Split, classes: int) -> Found:
    """Accuracy and loss."""
    del classes
    return {
        'accuracy': accuracy(logits, split.labels),
        'loss': mean_loss(logits, split.labels),
    }


def headlines(judged: Judged) -> tuple[Found, Arrays]:
    """Consistency, alone and with being right; each image's answer, and maps over shifts."""
    judged_by, test = judged.evaluation, judged.test
    size = test.images.shape[1:3]
    pairs = draw_shift_pairs(judged.key, len(test), max_shift=judged_by.max_shift, size=size)
    how = {'border': judged_by.border, 'batch_size': judged_by.batch_size}
    answers = shifted_answers(judged.predict, test.images, pairs, **how)
    consistent = answers[:, 0] == answers[:, 1]
    right = (answers == test.labels[:, None]).all(1)
    return (
        {'consistency': float(consistent.mean()), 'consistent_and_right': float(right.mean())},
        {
            'labels': test.labels,
            'predictions': judged.answers.argmax(1).astype(np.int32),
            'consistent': consistent,
            'consistent_and_right': right,
            **_shift_maps(judged),
        },
    )


def _shift_maps(judged: Judged) -> Arrays:
    """The probability of the true class over shifts, of a few images."""
    judged_by, test = judged.evaluation, judged.test
    images, labels = test.images[: judged_by.maps], test.labels[: judged_by.maps]
    maps = [
        shift_map(
            judged.predict,
            image,
            int(label),
            max_shift=judged_by.max_shift,
            border=judged_by.border,
        )
        for image, label in zip(images, labels, strict=True)
    ]
    side = 2 * judged_by.max_shift + 1
    return {
        'shift_maps': np.array(maps, np.float32).reshape(-1, side, side),
        'shift_images': images,
        'shift_labels': labels,
    }


def _calibration(judged: Judged) -> Found:
    return {'ece': expected_calibration_error(judged.answers, judged.test.labels)}


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


MEASURES: Mapping[str, Callable[[Judged], Found]] = {
    'ece': _calibration,
    'circular': _circular,
    'half_pixel': _half_pixel,
    'worst_case': _worst_case,
    'averaged': _averaged,
    'corruptions': _corruptions,
    'rotation': _rotation,
    'scale': _scale,
    **OF_ANY_NETWORK,
}
