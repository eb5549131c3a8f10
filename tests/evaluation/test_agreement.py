"""Boxes with partners, and errors by the place in the pixel, by loops."""

import itertools

import numpy as np

from cnn_jax.evaluation import Detections, box_agreement, phase_bias

DRAW = np.random.default_rng(0)


def iou(a, b) -> float:
    high, low = np.minimum(a[2:], b[2:]), np.maximum(a[:2], b[:2])
    both = np.prod(np.maximum(high - low, 0))
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def drawn(images: int, boxes: int) -> Detections:
    low = DRAW.integers(0, 6, (images, boxes, 2)).astype(float)
    high = low + DRAW.integers(2, 8, low.shape)
    classes = DRAW.integers(-1, 2, (images, boxes))
    return Detections(np.concatenate([low, high], -1), DRAW.random((images, boxes)), classes)


def agreement_by_loops(first: Detections, second: Detections, image: int) -> float:
    ours, theirs = (
        sorted(
            (-one.scores[image][i], i)
            for i in range(one.scores.shape[1])
            if one.scores[image][i] >= 0.3 and one.classes[image][i] >= 0
        )
        for one in (first, second)
    )
    free, pairs = sorted(i for _, i in theirs), 0
    for _, i in ours:
        same = [j for j in free if first.classes[image][i] == second.classes[image][j]]
        near = [(iou(first.boxes[image][i], second.boxes[image][j]), -j) for j in same]
        if near and max(near)[0] >= 0.5:
            free.remove(-max(near)[1])
            pairs += 1
    total = len(ours) + len(theirs)
    return 2 * pairs / total if total else 1.0


def test_box_agreement_by_loops():
    first, second = drawn(60, 6), drawn(60, 5)
    expected = [agreement_by_loops(first, second, image) for image in range(60)]
    np.testing.assert_allclose(box_agreement(first, second), expected)
    assert len(set(expected)) > 4  # some pairs, and not all
    np.testing.assert_array_equal(box_agreement(first, first), np.ones(60))
    none = Detections(np.zeros((2, 0, 4)), np.zeros((2, 0)), np.zeros((2, 0), int))
    some = drawn(2, 3)._replace(scores=np.ones((2, 3)), classes=np.zeros((2, 3), int))
    assert box_agreement(none, none).tolist() == [1, 1]
    assert box_agreement(none, some).tolist() == box_agreement(some, none).tolist() == [0, 0]


def test_phase_bias_by_loops():
    truth = DRAW.uniform(0, 20, (50, 3, 2))
    found = truth + DRAW.normal(size=truth.shape) + np.sin(2 * np.pi * truth)
    ranges = []
    for axis in (0, 1):
        means = []
        for place in range(4):
            errors = [
                found[i, k, axis] - truth[i, k, axis]
                for i, k in itertools.product(range(50), range(3))
                if place / 4 <= truth[i, k, axis] % 1 < (place + 1) / 4
            ]
            means.append(np.mean(errors))
        ranges.append((max(means) - min(means)) / 2)
    np.testing.assert_allclose(phase_bias(found, truth, bins=4), max(ranges))
    whole = np.round(truth)  # nothing lies between pixels: one interval, no range
    assert phase_bias(whole, whole) == 0
