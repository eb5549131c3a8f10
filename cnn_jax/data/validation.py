"""A validation split, taken from the train split: for choices, instead of the test split."""

import numpy as np

from cnn_jax.data.dataset import Split
from cnn_jax.data.hashing import random_bits
from cnn_jax.errors import require


def split_validation(train: Split, *, fraction: float, seed: int) -> tuple[Split, Split]:
    """Splits `train` at random into `(rest, validation)`; both keep their order.

    fraction: share for validation, strictly between 0 and 1, rounded to whole images; both parts
    must get at least one, otherwise `BadInput`. Image i goes to validation when hash(seed, i) is
    among the smallest: a pure function of the seed and the number of images, the same on every
    numpy version and machine.

    >>> train = Split(np.zeros((10, 2, 2, 1), np.uint8), np.arange(10, dtype=np.int32))
    >>> rest, validation = split_validation(train, fraction=0.3, seed=0)
    >>> rest.labels.tolist(), validation.labels.tolist()
    ([1, 2, 3, 4, 5, 6, 9], [0, 7, 8])
    """
    total = len(train)
    require(0 < fraction < 1, f'validation fraction is {fraction}: give a number between 0 and 1.')
    size = round(total * fraction)
    require(
        0 < size < total,
        f'validation fraction {fraction} of {total} images leaves {size} for validation and '
        f'{total - size} for training: both need at least one.',
    )
    chosen = np.zeros(total, bool)
    chosen[np.argsort(random_bits(total, seed=seed), kind='stable')[:size]] = True
    return (
        Split(train.images[~chosen], train.labels[~chosen]),
        Split(train.images[chosen], train.labels[chosen]),
    )
