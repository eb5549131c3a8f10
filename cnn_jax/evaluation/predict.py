"""Logits of many images, in batches of one compiled shape; every image exactly once."""

from collections.abc import Iterator, Mapping
from functools import partial

import jax
import numpy as np
from jaxtyping import Array, Float, Int, UInt8

from cnn_jax.data.augment import shift_images
from cnn_jax.models import Classifier


@partial(jax.jit, static_argnames=('classifier',))
def _logits(classifier: Classifier, variables: Mapping, images: Array) -> Array:
    return classifier.logits(variables, images)


@partial(jax.jit, static_argnames=('classifier', 'border'))
def _shifted_logits(
    classifier: Classifier, variables: Mapping, images: Array, shifts: Array, *, border: str
) -> Array:
    return classifier.logits(variables, shift_images(images, shifts, border=border))


def padded_batches(*arrays: np.ndarray, batch_size: int) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Cuts arrays of equal length into batches of `batch_size`, the last filled up by repetition.

    Yields how many of the batch are real, and the batch.

    >>> [(n, b.tolist()) for n, (b,) in padded_batches(np.arange(3), batch_size=2)]
    [(2, [0, 1]), (1, [2, 2])]
    """
    total = len(arrays[0])
    for start in range(0, total, batch_size):
        real = min(batch_size, total - start)
        index = np.minimum(np.arange(start, start + batch_size), total - 1)
        yield real, [array[index] for array in arrays]


def predict_logits(
    classifier: Classifier,
    variables: Mapping,
    images: UInt8[np.ndarray, 'images height width channels'],
    *,
    batch_size: int,
    shifts: Int[np.ndarray, 'images 2'] | None = None,
    border: str = 'zero',
) -> Float[np.ndarray, 'images classes']:
    """The logits of every image, each first moved by its (dy, dx) of `shifts` if given.

    `border` ('zero' or 'circular') says what moves in; see `shift_images`.
    """
    out = []
    if shifts is None:
        for real, (batch,) in padded_batches(images, batch_size=batch_size):
            out.append(np.asarray(_logits(classifier, variables, batch))[:real])
    else:
        for real, (batch, moves) in padded_batches(images, shifts, batch_size=batch_size):
            logits = _shifted_logits(classifier, variables, batch, moves, border=border)
            out.append(np.asarray(logits)[:real])
    return np.concatenate(out)
