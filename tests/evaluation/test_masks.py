"""Measures of masks against pixel by pixel loops, and on predictors whose result is known."""

import jax
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    boundary_iou,
    class_ious,
    mask_shift_consistency,
    mean_iou,
    predict_masks,
)
from cnn_jax.evaluation.mask_shifts import agreement
from cnn_jax.evaluation.shifts import draw_shift_pairs
from tests.oracles import masks as oracle

DRAW = np.random.default_rng(0)
KEY = jax.random.key(0)


def blobs(shape: tuple[int, ...], classes: int) -> np.ndarray:
    """Masks of regions of some size."""
    coarse = DRAW.integers(0, classes, (shape[0], -(-shape[1] // 3), -(-shape[2] // 3)))
    return coarse.repeat(3, 1).repeat(3, 2)[:, : shape[1], : shape[2]].astype(np.uint8)


@pytest.mark.parametrize('ignored', [0, 0.1])
@pytest.mark.parametrize('shape', [(3, 9, 12), (1, 1, 1), (2, 7, 1), (1, 10, 13)])
def test_ious_by_loops(shape: tuple[int, ...], ignored: float):
    masks = np.where(DRAW.random(shape) < ignored, 255, blobs(shape, 3)).astype(np.uint8)
    predicted = np.where(
        DRAW.random(shape) < 0.8, np.where(masks == 255, 3, masks), blobs(shape, 5)
    )
    masks[0, 0, 0] = 0
    expected = oracle.ious(predicted, masks, 6)
    found = class_ious(predicted, masks, 6)
    assert [None if np.isnan(v) else v for v in found] == pytest.approx(expected)
    assert mean_iou(predicted, masks, 6) == pytest.approx(oracle.mean(expected))
    for distance in (1, 2):
        strips = oracle.mean(oracle.boundary_ious(predicted, masks, 6, distance))
        assert boundary_iou(predicted, masks, 6, distance=distance) == pytest.approx(strips)


def test_a_perfect_predictor_has_one_and_a_wrong_one_nothing():
    masks = np.where(DRAW.random((2, 12, 12)) < 0.1, 255, blobs((2, 12, 12), 3)).astype(np.uint8)
    perfect = np.where(masks == 255, 1, masks)
    assert mean_iou(perfect, masks, 3) == boundary_iou(perfect, masks, 3) == 1
    assert mean_iou((perfect + 1) % 3, masks, 3) == boundary_iou((perfect + 1) % 3, masks, 3) == 0
    assert mean_iou(np.zeros((1, 2, 2), int), np.zeros((1, 2, 2), int), 9) == 1


def test_the_boundary_is_two_percent_of_the_diagonal():
    masks, predicted = blobs((1, 100, 200), 4), blobs((1, 100, 200), 4)
    assert boundary_iou(predicted, masks, 4) == boundary_iou(predicted, masks, 4, distance=4)
    small = blobs((1, 9, 9), 4), blobs((1, 9, 9), 4)
    assert boundary_iou(*small, 4) == boundary_iou(*small, 4, distance=1)


@pytest.mark.parametrize(
    ('predicted', 'masks', 'message'),
    [
        (np.zeros((1, 2, 2), int), np.zeros((1, 2, 3), int), r'got \(1, 2, 2\) and \(1, 2, 3\)'),
        (np.full((1, 2, 2), 3), np.zeros((1, 2, 2), int), 'predicted masks hold the class id 3'),
        (np.zeros((1, 2, 2), int), np.full((1, 2, 2), -1), 'true masks hold the class id -1'),
        (np.zeros((1, 2, 2), int), np.full((1, 2, 2), 255), 'no judged pixel'),
    ],
)
def test_bad_masks_are_told(unchecked, predicted, masks, message):
    with pytest.raises(BadInput, match=message):
        mean_iou(predicted, masks, 3)


IMAGES = DRAW.integers(0, 256, (20, 9, 11, 1), np.uint8)


def bright(x) -> np.ndarray:
    """Class 0, 1 or 2 by the brightness of each pixel alone."""
    x = np.asarray(x, float)
    return np.concatenate([0 * x + 80, x, 3 * x - 350], -1)


def corner(x) -> np.ndarray:
    """By position alone: shifts change nothing, and so everything."""
    out = np.zeros((*np.shape(x)[:3], 2))
    out[:, :4, :4, 1] = 1
    return out


@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_equivariant_and_constant_predictors_are_consistent(border: str):
    for predict in (bright, lambda x: np.ones((*np.shape(x)[:3], 2))):
        found = mask_shift_consistency(predict, IMAGES, key=KEY, border=border, batch_size=8)
        assert found.tolist() == [1] * 20
    every = mask_shift_consistency(
        bright, IMAGES, key=KEY, border=border, foreground=True, batch_size=8
    )
    assert every.tolist() == [1] * 20


@pytest.mark.parametrize('foreground', [False, True])
@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_agreement_by_loops(border: str, foreground: bool):
    pairs = draw_shift_pairs(KEY, 20, max_shift=4)
    first, second = (DRAW.integers(0, 3, (20, 9, 11)) for _ in range(2))
    for a, b, pair in zip(first, second, pairs, strict=True):
        expected = oracle.agreement(a, b, pair, border, foreground)
        assert agreement(a, b, pair, border=border, foreground=foreground) == expected


def test_what_does_not_move_with_the_image_is_inconsistent_in_the_foreground():
    how = {'key': KEY, 'border': 'circular', 'batch_size': 20}
    all_of_it = mask_shift_consistency(corner, IMAGES, **how)
    foreground = mask_shift_consistency(corner, IMAGES, foreground=True, **how)
    assert (foreground < all_of_it).all() and all_of_it.max() < 1
    pairs = draw_shift_pairs(KEY, 20, max_shift=3)
    masks = predict_masks(corner, IMAGES, batch_size=20)
    expected = [
        oracle.agreement(mask, mask, pair, 'circular', False)
        for mask, pair in zip(masks, pairs, strict=True)
    ]
    np.testing.assert_allclose(all_of_it, expected, rtol=1e-6)
    nothing = mask_shift_consistency(lambda x: -corner(x) * 0, IMAGES, foreground=True, **how)
    assert np.isnan(nothing).all()


def test_bad_predictors_and_shifts_are_told(unchecked):
    with pytest.raises(BadInput, match=r'logits \(20, 9, 11, .classes.\).*got \(20, 9, 11\)'):
        predict_masks(lambda x: np.asarray(x)[..., 0], IMAGES, batch_size=20)
    with pytest.raises(BadInput, match=r'9x11 pixels to compare: at most 4'):
        mask_shift_consistency(bright, IMAGES, key=KEY, max_shift=5)
