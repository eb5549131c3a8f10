"""Shift metrics on a classifier whose answers are known: the quadrant with the brightest pixel."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    accuracy,
    all_shifts,
    correct_under_all_shifts,
    draw_shift_pairs,
    predict_logits,
    predictor,
    shift_map,
    shifted_answers,
)
from cnn_jax.models import Classifier


class Quadrant(nn.Module):
    """Logits: the brightness of the four quadrants of an image."""

    @nn.compact
    def __call__(self, x, *, train):
        half = x.shape[1] // 2
        quadrants = [x[:, :half, :half], x[:, :half, half:], x[:, half:, :half], x[:, half:, half:]]
        return jnp.stack([q.sum((1, 2, 3)) for q in quadrants], -1)


CLASSIFIER = Classifier(Quadrant(), mean=(0.0,), std=(1.0,))
PREDICT = predictor(CLASSIFIER, {})


def dots(*positions) -> np.ndarray:
    """One 8x8 image with one bright pixel for each (row, column)."""
    images = np.zeros((len(positions), 8, 8, 1), np.uint8)
    for image, (row, column) in zip(images, positions, strict=True):
        image[row, column] = 255
    return images


def test_every_image_is_predicted_once_in_order():
    images = dots((0, 0), (0, 7), (7, 0), (7, 7), (1, 6))
    for batch_size in (1, 2, 3, 5, 64):
        logits = predict_logits(PREDICT, images, batch_size=batch_size)
        assert logits.argmax(1).tolist() == [0, 1, 2, 3, 1]


def test_pairs_differ_and_are_uniform():
    pairs = draw_shift_pairs(jax.random.key(0), 20_000, max_shift=1)
    first, second = (pairs[:, i] @ [3, 1] for i in (0, 1))
    assert (first != second).all()
    _, counts = np.unique(first * 9 + second, return_counts=True)
    assert len(counts) == 72
    assert np.abs(counts / 20_000 * 72 - 1).max() < 0.35  # 5 standard deviations are 0.30
    assert np.abs(pairs).max() == 1


def test_consistency_counts_equal_answers_under_both_shifts():
    images = dots((3, 3), (3, 3), (1, 1))
    pairs = np.array([[[0, 0], [1, 0]], [[-1, 0], [0, -1]], [[2, 2], [-1, -1]]])
    answers = shifted_answers(PREDICT, images, pairs, batch_size=2)
    assert (answers[:, 0] == answers[:, 1]).tolist() == [False, True, True]


def test_the_border_decides_what_moves_in():
    images, pairs = dots((0, 0)), np.array([[[-1, -1], [0, 0]]])
    zero, circular = (
        shifted_answers(PREDICT, images, pairs, border=border, batch_size=1)[0]
        for border in ('zero', 'circular')
    )
    assert zero[0] == zero[1] and circular[0] != circular[1]


def test_worst_case_needs_every_shift_right():
    images = dots((1, 1), (3, 1), (2, 2))
    right = correct_under_all_shifts(
        PREDICT, images, np.array([0, 0, 1]), max_shift=1, border='zero', batch_size=2
    )
    assert right.tolist() == [True, False, False]


def test_shift_map_rows_move_down_and_columns_right():
    found = shift_map(PREDICT, dots((3, 3))[0], 2, max_shift=1, border='zero')
    sure = np.e / (np.e + 3)
    unsure = 1 / (np.e + 3)
    expected = [[unsure] * 3, [unsure] * 3, [sure, sure, unsure]]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_all_shifts_and_accuracy():
    assert len(all_shifts(3)) == 49 and len(np.unique(all_shifts(3), axis=0)) == 49
    assert accuracy(np.eye(4), np.array([0, 1, 2, 0])) == 0.75


def test_classifier_is_a_cache_key():
    assert hash(CLASSIFIER) == hash(dataclasses.replace(CLASSIFIER))


def test_sequences_move_along_their_length_alone():
    images = np.arange(1, 41, dtype=np.uint8).reshape(1, 1, 40, 1).repeat(200, 0)
    pairs = draw_shift_pairs(jax.random.key(0), 200, max_shift=2, size=(1, 40))
    assert not pairs[..., 0].any() and (pairs[:, 0, 1] != pairs[:, 1, 1]).all()
    assert set(pairs[..., 1].ravel().tolist()) == {-2, -1, 0, 1, 2}
    np.testing.assert_array_equal(
        draw_shift_pairs(jax.random.key(0), 50, max_shift=2, size=(8, 8)),
        draw_shift_pairs(jax.random.key(0), 50, max_shift=2),
    )

    def seen(batch):  # class 1 where a row was emptied
        empty = (batch == 0).all((1, 2, 3))
        return np.stack([1.0 - empty, 1.0 * empty], 1)

    labels = np.zeros(200, np.int32)
    assert correct_under_all_shifts(seen, images, labels, max_shift=3).all()
    found = shift_map(seen, images[0], 0, max_shift=1)
    assert found.shape == (3, 3) and (found == found[0]).all()
    with pytest.raises(BadInput, match='cannot be shifted'):
        draw_shift_pairs(jax.random.key(0), 2, max_shift=1, size=(1, 1))
