"""The drawn markers: where they are, to a fraction of a pixel."""

import numpy as np
import pytest

from cnn_jax.data import draw_markers, make_shapes_keypoints, marker_points
from cnn_jax.data.markers import _COLOURS, _opacity
from cnn_jax.errors import BadInput

SET = make_shapes_keypoints(train=30, test=5)


def test_the_images_never_change():
    assert SET.fingerprint == ('162e98126e0e7b61c4d75703018dc4ede76b37a07519ee26069068fa824e1e01')


def test_every_fraction_of_a_pixel_is_equally_probable_and_none_overlap():
    points = marker_points(2000, seed=3)
    counts, _ = np.histogram(points % 1, 10, (0, 1))
    assert abs(counts / 1600 - 1).max() < 0.13  # 5 standard deviations are 0.12
    gaps = points[:, :, None] - points[:, None]
    apart = np.linalg.norm(gaps, axis=-1)[:, ~np.eye(4, dtype=bool)]
    assert apart.min() > 8
    assert points.min() >= 8.5 and points.max() < 54.5
    assert (points * 2**16 % 1 == 0).all()


def test_a_marker_is_centred_on_its_point():
    """The centre of mass of its opacity, by loops."""
    points = np.array([[20.0, 30.0], [20.25, 30.5], [19.6, 31.9], [40.125, 12.75]])
    for (y, x), shown in zip(points, _opacity(points), strict=True):
        total = row = column = 0.0
        for i, j in np.ndindex(64, 64):
            total += shown[i, j]
            row += i * shown[i, j]
            column += j * shown[i, j]
        assert (row / total, column / total) == pytest.approx((y, x), abs=2e-3)


def test_a_whole_shift_of_the_points_moves_the_markers_alone():
    points = marker_points(1, seed=5)
    before, after = (_opacity(p[0].astype(float)) for p in (points, points + [2, -3]))
    np.testing.assert_allclose(np.roll(before, (2, -3), (1, 2)), after, atol=1e-12)
    moved = draw_markers(points + np.float32([2, -3]), seed=5)
    same = (before.sum(0) == 0) & (after.sum(0) == 0)
    np.testing.assert_array_equal(moved[0][same], draw_markers(points, seed=5)[0][same])


def test_each_marker_has_its_colour():
    for image, points in zip(SET.train.images, SET.train.labels, strict=True):
        for (y, x), colour in zip(points.round().astype(int), _COLOURS, strict=True):
            near = image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))
            assert abs(near - colour).mean() < 90


def test_bad_input():
    with pytest.raises(BadInput, match='give at least 1 each'):
        make_shapes_keypoints(train=1, test=0)
    with pytest.raises(BadInput, match=r'there are 4 markers; got points \(1, 3, 2\)'):
        draw_markers(np.zeros((1, 3, 2)), seed=0)
