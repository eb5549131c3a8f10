"""Where the variation of accuracies comes from: training, or the choice of test images."""

import math
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from cnn_jax.reports.page import Section, Table
from cnn_jax.reports.run import CellResult


def variance_parts(right: Bool[np.ndarray, 'seeds images']) -> dict[str, float]:
    """Standard deviations of an accuracy: observed over seeds, of training alone, of the test set.

    right: whether each seed's network is right on each test image. Uses the two-way random-effects
    model without replication (seed, image, residual; Searle, Casella & McCulloch 1992, section
    4.7). For networks the argument is Jordan's (2023, arXiv:2304.01910): different networks are
    right on different images, so their accuracies on a finite test set differ even if they are
    equally good on the whole distribution.

    - 'seen': of the accuracies on these images.
    - 'training': of the accuracies on infinitely many images; 0 if the other parts explain all of
      'seen'.
    - 'test_set': of the mean over seeds, for another draw of as many test images.

    >>> parts = variance_parts(np.array([[True, True, True, False], [True, False, True, False]]))
    >>> {name: round(sd, 3) for name, sd in parts.items()}
    {'seen': 0.177, 'training': 0.0, 'test_set': 0.204}
    """
    seeds, images = right.shape
    values = right.astype(np.float64)
    whole, by_seed, by_image = values.mean(), values.mean(1), values.mean(0)
    residual = values - by_seed[:, None] - by_image[None, :] + whole
    noise = (residual**2).sum() / max(1, (seeds - 1) * (images - 1))
    of_seeds = images * by_seed.var(ddof=1)
    of_images = seeds * by_image.var(ddof=1)
    return {
        'seen': math.sqrt(of_seeds / images),
        'training': math.sqrt(max(0.0, (of_seeds - noise) / images)),
        'test_set': math.sqrt(max(0.0, (of_images - noise) / seeds) / images),
    }


def accuracy_spread(cells: Sequence[CellResult]) -> dict[str, float] | None:
    """`variance_parts` of a strategy's completed cells; None for one seed or no classes."""
    right = [found for cell in cells if (found := _right(cell)) is not None]
    if len(right) < 2 or len(right) < len(cells) or len({len(one) for one in right}) > 1:
        return None
    return variance_parts(np.stack(right))


def _right(cell: CellResult) -> np.ndarray | None:
    try:
        with np.load(cell.folder / 'predictions.npz', allow_pickle=False) as arrays:
            answers, labels = np.asarray(arrays['predictions']), np.asarray(arrays['labels'])
            return answers == labels if labels.ndim == 1 else None  # of classes alone
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def spread_section(strategies: dict[str, dict[str, Any]]) -> Section | None:
    """The parts of each strategy in percentage points; None where no predictions were kept.

    >>> spread_section({'max': {'spread': None}})
    """
    rows = tuple(
        (name, *(f'{100 * row["spread"][part]:.2f}' for part in ('seen', 'training', 'test_set')))
        for name, row in strategies.items()
        if row.get('spread')
    )
    if not rows:
        return None
    table = Table(
        ('strategy', 'seen over seeds', 'of training alone', 'of the test set'),
        rows,
        numeric=frozenset((1, 2, 3)),
        caption='Standard deviations of the accuracy, in points. Part of what is seen over seeds '
        'comes from the finite test set: networks that are equally good err on different images. '
        'The last column is that of the mean, for another draw of as many test images; the '
        'intervals of this page do not hold it, since all strategies share the images.',
        folded=True,
    )
    return Section('Where the spread comes from', (table,))
