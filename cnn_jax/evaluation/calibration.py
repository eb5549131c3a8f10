"""How far a network's confidence is from its accuracy."""

import numpy as np
from jaxtyping import Float, Integer
from scipy.special import softmax

from cnn_jax.errors import require
from cnn_jax.evaluation.accuracy import require_labels


def expected_calibration_error(
    logits: Float[np.ndarray, 'images classes'],
    labels: Integer[np.ndarray, 'images'],
    *,
    bins: int = 15,
) -> float:
    """The expected calibration error (ECE): 0 if confidence equals the probability of being right.

    Guo et al., ICML 2017, equation 3: images are sorted into `bins` equal intervals of the
    predicted class's probability, (0, 1 / bins], ...; the result is the mean over images of
    |accuracy - mean probability| of their interval.

    >>> logits = np.log(np.array([[0.9, 0.1], [0.9, 0.1]]))
    >>> round(expected_calibration_error(logits, np.array([0, 1])), 6)
    0.4
    """
    require_labels(labels, len(logits))
    require(bins >= 1, f'bins must be at least 1; got {bins}.')
    probabilities = softmax(np.asarray(logits, np.float64), axis=1)
    confidence = probabilities.max(1)
    right = logits.argmax(1) == labels
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(places, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(labels))
