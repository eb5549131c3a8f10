"""Detections against loops, and on detectors whose result is known."""

from functools import partial

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.data import is_box, make_shapes_detection
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    IOU_THRESHOLDS,
    Detections,
    average_precision_bounds,
    box_ious,
    decode_boxes,
    mean_average_precision,
)
from tests.oracles import detection as oracle

DRAW = np.random.default_rng(0)
SHAPES = make_shapes_detection(train=12, test=1).train


def random_boxes(*shape: int) -> np.ndarray:
    low = DRAW.integers(0, 8, (*shape, 2))
    return np.concatenate([low, low + DRAW.integers(1, 6, (*shape, 2))], -1).astype(np.float32)


def random_case(
    images: int, found: int, true: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Detections near true boxes, with many equal scores, and rows that hold nothing."""
    truth = np.concatenate(
        [random_boxes(images, true), DRAW.integers(0, 3, (images, true, 1))], -1
    ).astype(np.float32)
    truth[DRAW.random((images, true)) < 0.2] = -1
    if not is_box(truth).any():
        truth[0, 0] = 0, 0, 2, 2, 1
    boxes = random_boxes(images, found)
    for image, place in np.ndindex(images, found):
        if true and DRAW.random() < 0.7:
            boxes[image, place] = truth[image, DRAW.integers(true), :4] + DRAW.integers(0, 2, 4)
    return (
        boxes,
        DRAW.integers(0, 4, (images, found)) / 4,
        DRAW.integers(-1, 4, (images, found)),
        truth,
    )


@pytest.mark.parametrize('images', [1, 4])
@pytest.mark.parametrize('found', [0, 1, 7])
@pytest.mark.parametrize('true', [1, 5])
def test_average_precision_by_loops(images: int, found: int, true: int):
    for _ in range(3):
        case = random_case(images, found, true)
        for thresholds in ((0.5,), IOU_THRESHOLDS):
            expected = oracle.mean_average_precision(*case, thresholds)
            assert mean_average_precision(*case, thresholds) == pytest.approx(expected, abs=1e-12)


def test_overlaps_by_loops():
    first, second = random_boxes(9), random_boxes(7)
    expected = [[oracle.iou(a, b) for b in second] for a in first]
    np.testing.assert_allclose(box_ious(first, second), expected)
    assert box_ious(np.zeros((1, 4)), np.zeros((1, 4))).tolist() == [[0.0]]


def perfect(truth: np.ndarray) -> Detections:
    there = is_box(truth)
    return Detections(truth[..., :4], there * 0.9, np.where(there, truth[..., 4], -1).astype(int))


def test_a_perfect_detector_has_one_and_others_less():
    truth = SHAPES.labels
    boxes, scores, classes = perfect(truth)
    assert mean_average_precision(boxes, scores, classes, truth) == 1
    assert mean_average_precision(boxes, scores, (classes + 1) % 5, truth, (0.5,)) < 0.5
    assert mean_average_precision(boxes + 1, scores, classes, truth, (0.95,)) == 0
    assert mean_average_precision(boxes, scores, np.full_like(classes, -1), truth) == 0
    nothing = np.zeros((12, 0, 4)), np.zeros((12, 0)), np.zeros((12, 0), int)
    assert mean_average_precision(*nothing, truth) == 0
    twice = Detections(*(np.concatenate([part, part], 1) for part in (boxes, scores, classes)))
    assert mean_average_precision(*twice, truth) < 1
    twice.scores[:, len(scores[0]) :] = 0.1  # doubles come after all that is right
    assert mean_average_precision(*twice, truth) == 1


def test_bad_detections_are_told(unchecked):
    boxes, scores, classes = perfect(SHAPES.labels)
    with pytest.raises(BadInput, match='truth holds no box'):
        mean_average_precision(boxes, scores, classes, np.full_like(SHAPES.labels, -1))
    with pytest.raises(BadInput, match=r'give boxes \(images, detections, 4\)'):
        mean_average_precision(boxes[:3], scores, classes, SHAPES.labels)


@pytest.mark.parametrize(
    ('rows', 'columns', 'classes', 'stride', 'most'),
    [(5, 7, 3, 4, 100), (1, 1, 1, 4, 3), (6, 4, 2, 1, 5), (1, 8, 1, 2, 4)],
)
def test_decoding_by_loops(rows: int, columns: int, classes: int, stride: int, most: int):
    """Few different values, so that neighbours are often equal."""
    outputs = DRAW.integers(-3, 4, (3, rows, columns, classes + 4)) / 2
    found = decode_boxes(outputs, classes, stride, most=most)
    for image, output in enumerate(outputs):
        expected = oracle.decoded(output, classes, stride, most)
        there = found.classes[image] >= 0
        assert there.tolist() == [i < len(expected) for i in range(len(there))]
        for (box, score, kind), *got in zip(
            expected, *(part[image][there] for part in found), strict=True
        ):
            np.testing.assert_allclose(got[0], box)
            assert got[1:] == [pytest.approx(score), kind]
        assert (found.boxes[image][~there] == -1).all() and (found.scores[image][~there] == 0).all()


def heat_maps(boxes: np.ndarray, classes: int, stride: int = 4) -> np.ndarray:
    """The outputs of a network that knows the boxes of each image."""
    out = np.full((len(boxes), 64 // stride, 64 // stride, classes + 4), -20.0)
    for image, place in zip(*np.nonzero(is_box(boxes)), strict=True):
        low_y, low_x, high_y, high_x, kind = boxes[image, place]
        y, x = (low_y + high_y) / 2 / stride, (low_x + high_x) / 2 / stride
        cell = out[image, int(y), int(x)]
        cell[int(kind)] = 3 + DRAW.random()
        cell[classes:] = high_y - low_y, high_x - low_x, y % 1, x % 1
    return out


def test_boxes_survive_encoding_and_decoding():
    apart = SHAPES.labels.copy()
    apart[:, 1:] = -1  # one an image, for none to lie in the cell of another
    found = decode_boxes(heat_maps(apart, 5), 5)
    assert mean_average_precision(*found, apart) == 1
    np.testing.assert_allclose(found.boxes[:, 0], apart[:, 0, :4], atol=1e-5)


def test_what_is_no_output_is_told(unchecked):
    with pytest.raises(BadInput, match=r'5 classes \+ 4\); got \(1, 4, 4, 8\)'):
        decode_boxes(np.zeros((1, 4, 4, 8)), 5)
    with pytest.raises(BadInput, match='at least 1; got 4, 0'):
        decode_boxes(np.zeros((1, 4, 4, 9)), 5, most=0)


def blocks(*places: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A bright block of 6x6 pixels in each image, and its box."""
    images = np.zeros((len(places), 32, 32, 1), np.uint8)
    truth = np.zeros((len(places), 1, 5), np.float32)
    for index, (y, x) in enumerate(places):
        images[index, y : y + 6, x : x + 6] = 200
        truth[index, 0] = y, x, y + 6, x + 6, 0
    return images, truth


def corners(images) -> np.ndarray:
    """The first and last bright row and column of each image; nothing is known of positions."""
    lit = jnp.asarray(images)[..., 0] > 100
    rows, columns = lit.any(2), lit.any(1)
    low = jnp.stack([rows.argmax(1), columns.argmax(1)], 1)
    high = jnp.stack([32 - rows[:, ::-1].argmax(1), 32 - columns[:, ::-1].argmax(1)], 1)
    return np.asarray(jnp.concatenate([low, high], 1))


def decode(outputs: np.ndarray, *, grid: int = 1) -> Detections:
    boxes = (outputs // grid * grid)[:, None]
    return Detections(boxes, np.ones(boxes.shape[:2]), np.zeros(boxes.shape[:2], int))


@pytest.mark.parametrize('border', ['zero', 'circular'])
def test_bounds_are_equal_for_an_equivariant_detector(border: str):
    images, truth = blocks((4, 9), (12, 12), (20, 3), (22, 22))
    found = average_precision_bounds(
        corners, images, truth, decode=decode, max_shift=2, border=border, batch_size=4
    )
    assert found == (1, 1, 1)


def test_bounds_are_those_of_the_worst_and_best_shift_of_each_image():
    """A detector on a grid of two pixels, against all choices of one shift for each image."""
    images, truth = blocks((4, 8), (12, 13))
    grid = partial(decode, grid=2)
    found = average_precision_bounds(corners, images, truth, decode=grid, max_shift=1, batch_size=2)
    reach = (-1, 0, 1)
    shifts = [(dy, dx) for dy in reach for dx in reach]
    every = []
    for first in shifts:
        for second in shifts:
            moves = np.tile((first, second), 2)
            boxes = (truth[:, 0, :4] + moves) // 2 * 2 - moves
            every.append(
                mean_average_precision(
                    boxes[:, None], np.ones((2, 1)), np.zeros((2, 1), int), truth
                )
            )
    assert (found.lower, found.upper) == pytest.approx((min(every), max(every)))
    assert found.lower < found.unshifted <= found.upper


def test_images_without_boxes_and_what_leaves_the_image_do_not_count():
    images, truth = blocks((4, 9), (0, 0), (12, 12))
    truth[0] = -1
    truth[1, 0, 2:4] = 2  # nothing of it is left two pixels from the border
    images[:2] = 0

    def always(outputs: np.ndarray) -> Detections:
        return decode(outputs)._replace(scores=np.full((3, 1), 0.5))

    found = average_precision_bounds(
        corners, images, truth, decode=always, max_shift=2, batch_size=3
    )
    assert 0 < found.lower <= found.upper <= 1
    with pytest.raises(BadInput, match='max_shift must be from 1 to 15 pixels for images of 32x32'):
        average_precision_bounds(corners, images, truth, decode=decode, max_shift=16)
