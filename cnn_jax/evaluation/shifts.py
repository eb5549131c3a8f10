"""What a small shift of the image does to the answer.

Zhang (2019, section 4.1) draws one pair of shifts per batch, which leaves few independent pairs and
lets both be the same shift, counted as consistent for free. Here every image draws its own pair of
different shifts from the run's seed.
"""

import itertools
from collections.abc import Mapping

import jax
import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Key, UInt8

from cnn_jax.errors import require
from cnn_jax.evaluation.predict import predict_logits
from cnn_jax.models import Classifier


def all_shifts(max_shift: int) -> Int[np.ndarray, 'shifts 2']:
    """Every (dy, dx) in [-max_shift, max_shift]^2, row by row.

    >>> all_shifts(1)[:4].tolist()
    [[-1, -1], [-1, 0], [-1, 1], [0, -1]]
    """
    reach = range(-max_shift, max_shift + 1)
    return np.array(list(itertools.product(reach, reach)), np.int32)


def draw_shift_pairs(
    key: Key[jax.Array, ''], images: int, *, max_shift: int
) -> Int[np.ndarray, 'images 2 2']:
    """For each image two different shifts, uniform over all ordered pairs of different ones.

    >>> pairs = draw_shift_pairs(jax.random.key(0), 1000, max_shift=1)
    >>> pairs.shape, bool((pairs[:, 0] == pairs[:, 1]).all(1).any())
    ((1000, 2, 2), False)
    """
    require(max_shift >= 1, f'max_shift must be at least 1 pixel; got {max_shift}.')
    shifts = all_shifts(max_shift)
    first_key, step_key = jax.random.split(key)
    first = np.asarray(jax.random.randint(first_key, (images,), 0, len(shifts)))
    step = np.asarray(jax.random.randint(step_key, (images,), 1, len(shifts)))
    return np.stack([shifts[first], shifts[(first + step) % len(shifts)]], 1)


def shifted_answers(
    classifier: Classifier,
    variables: Mapping,
    images: UInt8[np.ndarray, 'images height width channels'],
    pairs: Int[np.ndarray, 'images 2 2'],
    *,
    border: str,
    batch_size: int,
) -> Integer[np.ndarray, 'images 2']:
    """The top-1 answer to each image under each of its two shifts.

    Where both are the image's label it is consistent and right: a network that always gives one
    answer is consistent everywhere, and right by chance.
    """
    answers = [
        predict_logits(
            classifier,
            variables,
            images,
            batch_size=batch_size,
            shifts=pairs[:, which],
            border=border,
        ).argmax(1)
        for which in (0, 1)
    ]
    return np.stack(answers, 1)


def shift_consistent(
    classifier: Classifier,
    variables: Mapping,
    images: UInt8[np.ndarray, 'images height width channels'],
    pairs: Int[np.ndarray, 'images 2 2'],
    *,
    border: str,
    batch_size: int,
) -> Bool[np.ndarray, 'images']:
    """Whether each image gets the same top-1 answer under both of its shifts."""
    answers = shifted_answers(
        classifier, variables, images, pairs, border=border, batch_size=batch_size
    )
    return answers[:, 0] == answers[:, 1]


def correct_under_all_shifts(
    classifier: Classifier,
    variables: Mapping,
    images: UInt8[np.ndarray, 'images height width channels'],
    labels: Integer[np.ndarray, 'images'],
    *,
    max_shift: int,
    border: str,
    batch_size: int,
) -> Bool[np.ndarray, 'images']:
    """Whether each image is right under every one of the (2 max_shift + 1)^2 shifts."""
    right = np.ones(len(images), bool)
    for shift in all_shifts(max_shift):
        answers = predict_logits(
            classifier,
            variables,
            images,
            batch_size=batch_size,
            shifts=np.tile(shift, (len(images), 1)),
            border=border,
        ).argmax(1)
        right &= answers == labels
    return right


def shift_map(
    classifier: Classifier,
    variables: Mapping,
    image: UInt8[np.ndarray, 'height width channels'],
    label: int,
    *,
    max_shift: int,
    border: str,
) -> Float[np.ndarray, 'side side']:
    """The probability of class `label` with the image moved by each (dy, dx).

    Row = dy and column = dx, from -max_shift to max_shift: the centre is the unmoved image.
    """
    shifts = all_shifts(max_shift)
    images = np.broadcast_to(image, (len(shifts), *image.shape))
    logits = predict_logits(
        classifier, variables, images, batch_size=len(shifts), shifts=shifts, border=border
    )
    side = 2 * max_shift + 1
    return np.asarray(jax.nn.softmax(logits))[:, label].reshape(side, side)
