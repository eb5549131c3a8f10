"""Whether two sets of answers say the same, and whether errors depend on the place in a pixel."""

import numpy as np
from jaxtyping import Float

from cnn_jax.errors import require
from cnn_jax.evaluation.boxes import Detections, box_ious

Points = Float[np.ndarray, 'images keypoints 2']


def box_agreement(
    first: Detections, second: Detections, *, iou: float = 0.5, least_score: float = 0.3
) -> Float[np.ndarray, 'images']:
    """For each image, the share of the boxes of both that have a partner in the other.

    Boxes with a score of at least `least_score` count. Those of `first`, by falling score, each
    take the free one of `second` of the same class with the largest IoU (the first at ties), if
    that is at least `iou`. The share is 2 pairs / (boxes of first + boxes of second), Dice's
    coefficient; 1 where neither has any.

    >>> box = lambda left: Detections(
    ...     np.array([[[0.0, left, 4.0, left + 4]]]), np.ones((1, 1)), np.zeros((1, 1), int))
    >>> box_agreement(box(0.0), box(1.0)).tolist(), box_agreement(box(0.0), box(3.0)).tolist()
    ([1.0], [0.0])
    """
    require(
        len(first.scores) == len(second.scores),
        f'both must be of the same images; got {len(first.scores)} and {len(second.scores)}.',
    )
    shares = np.ones(len(first.scores))
    for image in range(len(shares)):
        ours, theirs = (
            [part[image][(one.scores[image] >= least_score) & (one.classes[image] >= 0)]
             for part in one]
            for one in (first, second)
        )  # fmt: skip
        total = len(ours[1]) + len(theirs[1])
        overlap = box_ious(ours[0], theirs[0]) * (ours[2][:, None] == theirs[2])
        pairs = 0
        for box in np.argsort(-ours[1], kind='stable') if len(theirs[1]) else ():
            best = int(overlap[box].argmax())
            if overlap[box, best] >= iou:
                pairs += 1
                overlap[:, best] = 0
        shares[image] = 2 * pairs / total if total else 1.0
    return shares


def phase_bias(predicted: Points, truth: Points, *, bins: int = 8) -> float:
    """How far the mean error, predicted minus true, depends on the place within the pixel.

    The fractional part of the true coordinate, from the pixel's centre on, is cut into `bins` equal
    intervals; the result is half of the range of the mean errors over the intervals, the larger of
    the two axes', in pixels. 0 where the error is the same everywhere. An estimator that always
    gives whole pixels has nearly 0.5; the wave of such a bias is called peak locking (Westerweel,
    Meas. Sci. Technol. 1997). Intervals without a keypoint are left out.

    >>> truth = np.random.default_rng(0).uniform(0, 60, (500, 4, 2))
    >>> round(phase_bias(truth + 0.3, truth), 6), round(phase_bias(np.floor(truth), truth), 2)
    (0.0, 0.44)
    """
    require(
        predicted.shape == truth.shape and truth.ndim == 3 and bins >= 2,
        f'predicted and true points must be (images, keypoints, 2) both, and bins at least 2; got '
        f'{predicted.shape}, {truth.shape}, {bins}.',
    )
    found = []
    for axis in (0, 1):
        place = np.asarray(truth[..., axis], np.float64).ravel()
        error = np.asarray(predicted[..., axis], np.float64).ravel() - place
        interval = np.minimum((place % 1 * bins).astype(int), bins - 1)
        number = np.bincount(interval, minlength=bins)
        sums = np.bincount(interval, weights=error, minlength=bins)
        means = sums[number > 0] / number[number > 0]
        found.append(float(np.ptp(means)) / 2)
    return max(found)
