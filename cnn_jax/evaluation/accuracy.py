"""Accuracy and loss over a whole split."""

import numpy as np
import optax
from jaxtyping import Float, Integer

from cnn_jax.errors import require


def require_labels(labels: np.ndarray, images: int) -> None:
    """Raises BadInput unless there is one label for each image."""
    require(
        labels.shape == (images,),
        f'labels must be ({images},), one for each image; got {labels.shape}.',
    )


def accuracy(
    logits: Float[np.ndarray, 'images classes'], labels: Integer[np.ndarray, 'images']
) -> float:
    """The share of images whose label has the largest logit.

    >>> accuracy(np.array([[0.0, 1.0], [2.0, 1.0]]), np.array([1, 1]))
    0.5
    """
    require_labels(labels, len(logits))
    return float(np.mean(logits.argmax(1) == labels))


def mean_loss(
    logits: Float[np.ndarray, 'images classes'], labels: Integer[np.ndarray, 'images']
) -> float:
    """The mean cross-entropy, in nats.

    >>> round(mean_loss(np.zeros((1, 4), np.float32), np.array([2])), 4)
    1.3863
    """
    require_labels(labels, len(logits))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    return float(np.asarray(losses, np.float64).mean())
