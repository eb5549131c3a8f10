"""Measures of keypoints: by loops, and on predictors whose error is known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.data import draw_markers, marker_points
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    keypoint_error,
    keypoint_phase_curve,
    keypoint_shift_consistency,
    keypoints_within,
)
from cnn_jax.evaluation.shifts import draw_shift_pairs

DRAW = np.random.default_rng(0)
KEY = jax.random.key(0)


@pytest.mark.parametrize('shape', [(1, 1, 2), (5, 3, 2)])
def test_errors_by_loops(shape: tuple[int, ...]):
    predicted, truth = 3 * DRAW.random(shape), 3 * DRAW.random(shape)
    distances = [math.dist(predicted[i, k], truth[i, k]) for i, k in np.ndindex(*shape[:2])]
    assert keypoint_error(predicted, truth) == pytest.approx(sum(distances) / len(distances))
    for pixels in (1, 0.5):
        share = sum(d <= pixels for d in distances) / len(distances)
        assert keypoints_within(predicted, truth, pixels=pixels) == pytest.approx(share)
    assert keypoint_error(truth, truth) == 0 and keypoints_within(truth, truth) == 1


def test_points_of_another_shape_are_told(unchecked):
    with pytest.raises(BadInput, match=r'must be .* both; got \(1, 2, 2\) and \(1, 3, 2\)'):
        keypoint_error(np.zeros((1, 2, 2)), np.zeros((1, 3, 2)))


def dots() -> np.ndarray:
    images = np.zeros((12, 10, 13, 1), np.uint8)
    for image in images:
        image[DRAW.integers(3, 7), DRAW.integers(3, 10)] = 9
    return images


def brightest(images):
    """Moves with the image, around its border too."""
    places = jnp.asarray(images).reshape(len(images), -1).argmax(1)
    return jnp.stack([places // 13, places % 13], 1)[:, None]


def coarse(images):
    return brightest(images) // 4 * 4


@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_consistency_by_loops(border: str):
    images = dots()
    how = {'key': KEY, 'border': border, 'batch_size': 5}
    assert keypoint_shift_consistency(brightest, images, **how).tolist() == [[0]] * 12
    found = keypoint_shift_consistency(coarse, images, **how)
    for image, pair, got in zip(images, draw_shift_pairs(KEY, 12, max_shift=3), found, strict=True):
        (place,) = np.argwhere(image[..., 0])
        first, second = (
            [p // 4 * 4 - s for p, s in zip(place + shift, shift, strict=True)] for shift in pair
        )
        assert got == pytest.approx([math.dist(first, second)])
    fixed = keypoint_shift_consistency(lambda x: np.zeros((len(x), 1, 2)), images, **how)
    pairs = draw_shift_pairs(KEY, 12, max_shift=3)
    np.testing.assert_allclose(fixed[:, 0], np.linalg.norm(pairs[:, 0] - pairs[:, 1], axis=1))


def test_around_the_border_the_short_way_counts():
    image = np.zeros((8, 10, 13, 1), np.uint8)
    image[:, 0, 12] = 9
    how = {'key': KEY, 'batch_size': 8}
    found = keypoint_shift_consistency(brightest, image, border='circular', **how)
    assert found.tolist() == [[0]] * 8


def test_what_is_no_point_is_told():
    with pytest.raises(BadInput, match=r'points \(12, keypoints, 2\); got \(12, 2\)'):
        keypoint_shift_consistency(lambda x: np.zeros((len(x), 2)), dots(), key=KEY, batch_size=12)
    with pytest.raises(BadInput, match=r'4 points for each image; got \(2, 3, 2\)'):
        keypoint_phase_curve(lambda x: np.zeros((len(x), 3, 2)), images=2, phases=2)


def nearest_pixel(truth: np.ndarray):
    """Knows the points, but answers in whole pixels, rounding down."""
    calls = iter(truth)
    return lambda images: np.floor(next(calls))


def test_phases_find_the_bias_of_whole_pixels():
    """A predictor that rounds down errs by the phase itself, along that axis alone."""
    drawn = marker_points(3, seed=0).astype(float)
    truth = []
    for phase in (0, 0.25, 0.5, 0.75):
        for axis in (0, 1):
            points = drawn.copy()
            points[..., axis] = np.floor(points[..., axis]) + phase
            truth.append(points)
    curve = keypoint_phase_curve(nearest_pixel(np.array(truth)), images=3, phases=4, batch_size=3)
    np.testing.assert_allclose(curve.bias, -np.stack([curve.phases] * 2, 1), atol=1e-9)
    np.testing.assert_allclose(curve.error, -curve.bias)


def test_markers_of_a_phase_are_drawn_there():
    """The centre of mass of what changes where a marker is taken away, near it, has no bias."""
    points = marker_points(4, seed=0).astype(float)

    def centres(images):
        without = draw_markers(points + 1000, seed=0)
        change = abs(np.asarray(images, float) - without).sum(-1)
        found = np.zeros((4, 4, 2))
        for i, k in np.ndindex(4, 4):
            rows, columns = np.mgrid[:64, :64]
            near = (abs(rows - points[i, k, 0]) < 5.5) & (abs(columns - points[i, k, 1]) < 5.5)
            weight = np.where(near, change[i], 0)
            found[i, k] = (weight * rows).sum(), (weight * columns).sum()
            found[i, k] /= weight.sum()
        return found

    curve = keypoint_phase_curve(centres, images=4, phases=2, batch_size=4)
    assert abs(curve.bias).max() < 0.25 and curve.error.max() < 0.4
