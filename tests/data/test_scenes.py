"""The drawn images of several shapes: masks against polygons, boxes against masks."""

import math

import numpy as np
import pytest

from cnn_jax.data import is_box, load, make_shapes_detection, make_shapes_segmentation
from cnn_jax.data.scenes import SHAPES, draw_shapes
from cnn_jax.errors import BadInput
from tests.oracles.polygons import shape_contains

MASKS = make_shapes_segmentation(train=40, test=8)
BOXES = make_shapes_detection(train=40, test=8)


def test_the_images_never_change():
    assert MASKS.fingerprint == ('78634772b5829b0282e68349791cc3af68ba1a2217be7dd2d6af54322b9da86d')
    assert BOXES.fingerprint == ('ad83884ed2d18d11321db3e873d9659eb61d9d873b912673f0680777786ca5b6')


def owner(one: list[tuple], y: float, x: float) -> int:
    """Which of the shapes, those in front first, is seen at a point; -1 for none."""
    for index, (kind, radius, cy, cx, angle) in enumerate(one):
        if shape_contains(SHAPES[kind], radius, angle, y - cy, x - cx):
            return index
    return -1


def test_masks_are_of_what_is_in_front_at_the_centre_of_each_pixel():
    """A shape that is hidden for more than half is not there at all."""
    shapes = draw_shapes(40, seed=0, stream=0)
    left_out = 0
    for index in (0, 1, 2, 3, 4, 5):
        one: list[tuple] = []
        for i in np.flatnonzero(shapes.used[index]):
            angle = math.atan2(shapes.sine[index, i], shapes.cosine[index, i])
            place = shapes.radius[index, i], shapes.y[index, i], shapes.x[index, i]
            new = (int(shapes.kind[index, i]), *place, angle)
            whole = [(y, x) for y, x in np.ndindex(64, 64) if owner([new], y + 0.5, x + 0.5) == 0]
            seen = [p for p in whole if owner(one, p[0] + 0.5, p[1] + 0.5) == -1]
            kept = len(seen) >= len(whole) / 2
            one += [new] if kept else []
            left_out += not kept
        expected = np.zeros((64, 64), int)
        for y, x in np.ndindex(64, 64):
            which = owner(one, y + 0.5, x + 0.5)
            expected[y, x] = 0 if which < 0 else one[which][0] + 1
        np.testing.assert_array_equal(MASKS.train.labels[index], expected)
    assert left_out > 0


def test_boxes_are_tight_around_pixels_of_their_class():
    np.testing.assert_array_equal(MASKS.train.images, BOXES.train.images)
    for mask, boxes in zip(MASKS.train.labels, BOXES.train.labels, strict=True):
        covered = np.zeros(mask.shape, bool)
        for low_y, low_x, high_y, high_x, kind in boxes[is_box(boxes)].astype(int):
            inside = mask[low_y:high_y, low_x:high_x] == kind + 1
            assert all(line.any() for line in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))
            covered[low_y:high_y, low_x:high_x] |= inside
        np.testing.assert_array_equal(covered, mask > 0)
    assert is_box(BOXES.train.labels).any(1).all() and not is_box(BOXES.train.labels).all()


def test_classes_are_all_there_and_colours_tell_little():
    kinds = BOXES.train.labels[is_box(BOXES.train.labels)][:, 4].astype(int)
    assert np.bincount(kinds, minlength=5).min() >= 10
    images, masks = MASKS.train.images.astype(float), MASKS.train.labels
    means = np.array([images[masks == c].mean(0) for c in range(6)])
    spread = images.reshape(-1, 3).std(0)
    assert (abs(means - means.mean(0)) < 0.6 * spread).all()


def test_other_seeds_and_empty_splits():
    assert make_shapes_detection(train=1, test=1, seed=1).fingerprint != (
        make_shapes_detection(train=1, test=1).fingerprint
    )
    first = make_shapes_segmentation(train=2, test=1).train
    np.testing.assert_array_equal(first.images, MASKS.train.images[:2])
    with pytest.raises(BadInput, match='give at least 1 each'):
        make_shapes_segmentation(train=0, test=1)


@pytest.mark.parametrize('task', ['segmentation', 'detection', 'keypoints'])
def test_they_are_loaded_by_name(task: str):
    tiny = load(f'shapes_{task}_tiny', task=task)
    assert (tiny.name, tiny.task) == (f'shapes_{task}_tiny', task)
    assert (len(tiny.train), len(tiny.test)) == (256, 64)
    with pytest.raises(BadInput, match=f"is for {task}, not for 'classification'"):
        load(f'shapes_{task}_tiny', task='classification')
