"""How exactly keypoints are predicted, and how that depends on where they lie within a pixel."""

from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float, Key, Num

from cnn_jax.data import draw_markers, marker_points
from cnn_jax.errors import require
from cnn_jax.evaluation.predict import Predict, predict_outputs
from cnn_jax.evaluation.shifts import draw_shift_pairs

Points = Float[np.ndarray, 'images keypoints 2']


def keypoint_distances(predicted: Points, truth: Points) -> Float[np.ndarray, 'images keypoints']:
    """The Euclidean distance of each predicted (y, x) from the true one, in pixels.

    >>> keypoint_distances(np.array([[[0.0, 0.0]]]), np.array([[[3.0, 4.0]]])).tolist()
    [[5.0]]
    """
    require(
        predicted.shape == truth.shape and truth.shape[2:] == (2,),
        f'predicted and true points must be (images, keypoints, 2) both; got {predicted.shape} and '
        f'{truth.shape}.',
    )
    return np.linalg.norm(np.asarray(predicted, np.float64) - truth, axis=-1)


def keypoint_error(predicted: Points, truth: Points) -> float:
    """The mean distance of predicted from true keypoints, in pixels.

    >>> keypoint_error(np.array([[[0.0, 0.0], [1.0, 1.0]]]), np.array([[[3.0, 4.0], [1.0, 1.0]]]))
    2.5
    """
    return float(keypoint_distances(predicted, truth).mean())


def keypoints_within(predicted: Points, truth: Points, *, pixels: int | float = 1) -> float:
    """The share of keypoints that are predicted within so many pixels of the true ones.

    The percentage of correct keypoints (PCK) of Yang and Ramanan (PAMI 2013), with a fixed distance
    instead of one relative to the object's size.

    >>> keypoints_within(np.array([[[0.0, 0.5], [0.0, 9.0]]]), np.zeros((1, 2, 2)))
    0.5
    """
    return float((keypoint_distances(predicted, truth) <= pixels).mean())


def keypoint_shift_consistency(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    key: Key[jax.Array, ''],
    max_shift: int = 3,
    border: str = 'zero',
    batch_size: int = 256,
) -> Float[np.ndarray, 'images keypoints']:
    """The distance between each keypoint's places under two random shifts of the image, in pixels.

    0 is perfect. The points are moved back by the shifts, which are drawn as in
    `shift_consistency`; where the border is circular, a distance is the shortest around the image.
    `predict` is any function from images to points (batch, keypoints, 2). With a zero border, no
    point should be so near to it that a shift moves it out of the image.

    >>> def brightest(images):
    ...     places = images.reshape(len(images), -1).argmax(1)
    ...     return np.stack([places // 9, places % 9], 1)[:, None].astype(float)
    >>> image = np.zeros((1, 9, 9, 1), np.uint8)
    >>> image[0, 4, 5] = 1
    >>> keypoint_shift_consistency(brightest, image, key=jax.random.key(0)).tolist()
    [[0.0]]
    """
    pairs = draw_shift_pairs(key, len(images), max_shift=max_shift)
    first, second = (
        predict_points(
            predict, images, shifts=pairs[:, which], border=border, batch_size=batch_size
        )
        - pairs[:, which, None]
        for which in (0, 1)
    )
    gaps = first - second
    if border == 'circular':
        size = np.array(images.shape[1:3])
        gaps = gaps - size * np.round(gaps / size)
    return np.linalg.norm(gaps, axis=-1)


def predict_points(
    predict: Predict, images: Num[np.ndarray, 'images height width channels'], **how
) -> Points:
    """The (y, x) of every keypoint of every image, in float64; see `predict_outputs`.

    >>> predict_points(lambda x: np.zeros((len(x), 3, 2)), np.zeros((2, 8, 8, 1))).shape
    (2, 3, 2)
    """

    def points_of(batch: Array) -> np.ndarray:
        points = np.asarray(predict(batch))
        require(
            points.ndim == 3 and points.shape[2] == 2,
            f'predict must return points ({len(batch)}, keypoints, 2); got {points.shape}.',
        )
        return points.astype(np.float64)

    return predict_outputs(points_of, images, **how)


class PhaseCurve(NamedTuple):
    """Errors by where a keypoint lies between two pixel centres; columns are y and x.

    phases: pixels, in [0, 1). bias: the mean of predicted minus true, in pixels. error: the mean of
    its magnitude.

    >>> PhaseCurve(np.zeros(4), np.zeros((4, 2)), np.zeros((4, 2))).bias.shape
    (4, 2)
    """

    phases: Float[np.ndarray, 'phases']
    bias: Float[np.ndarray, 'phases 2']
    error: Float[np.ndarray, 'phases 2']


def keypoint_phase_curve(
    predict: Predict,
    *,
    images: int = 64,
    phases: int = 16,
    seed: int = 0,
    batch_size: int = 64,
) -> PhaseCurve:
    """The error and the bias along each axis by the phase, the fraction of a pixel of the position.

    The markers of `shapes_keypoints` are drawn again and again, the same and on the same
    background, but with the y (or the x) of each moved down to a fraction of 0, 1 / phases,
    2 / phases, ... above the same whole pixel. A network whose error does not depend on the phase
    has flat curves; subsampled maps whose aliases are not suppressed make the bias a wave, as in
    the peak locking of particle images (Westerweel, Meas. Sci. Technol. 1997).

    `predict` is any function from 64x64x3 uint8 images to points (batch, 4, 2). These images are
    in neither split of `shapes_keypoints`.

    >>> curve = keypoint_phase_curve(lambda x: np.zeros((len(x), 4, 2)), images=2, phases=4)
    >>> curve.phases.tolist(), curve.bias.shape
    ([0.0, 0.25, 0.5, 0.75], (4, 2))
    """
    require(
        images >= 1 and phases >= 1,
        f'images and phases must be at least 1; got {images}, {phases}.',
    )
    drawn = marker_points(images, seed=seed)
    steps = np.arange(phases) / phases
    gaps = np.empty((phases, 2, images * drawn.shape[1]))
    for (place, phase), axis in ((p, a) for p in enumerate(steps) for a in (0, 1)):
        points = drawn.astype(np.float64)
        points[..., axis] = np.floor(points[..., axis]) + phase
        found = predict_points(predict, draw_markers(points, seed=seed), batch_size=batch_size)
        require(
            found.shape == points.shape,
            f'predict must return {points.shape[1]} points for each image; got {found.shape}.',
        )
        gaps[place, axis] = (found - points)[..., axis].ravel()
    return PhaseCurve(steps, gaps.mean(-1), abs(gaps).mean(-1))
