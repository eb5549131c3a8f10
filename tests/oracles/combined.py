"""Mixed, gated and tree pooling of Lee et al. 2016, window by window."""

import math

import numpy as np

from tests.oracles.plain import window_elements


def _everywhere(weights, leading: int, out, channels) -> np.ndarray:
    """(*leading, *shared) as (*leading, *out, channels)."""
    lead = weights.shape[:leading]
    full = np.zeros((*lead, *out, channels))
    for index in np.ndindex(*lead):
        full[index] = np.broadcast_to(weights[index], (*out, channels))
    return full


def _pool(x, options, weights, value) -> np.ndarray:
    """`value(elements, counted, *weights)` of one sample, one channel, one window at a time.

    `weights` are (array, leading axes) pairs.
    """
    found = list(window_elements(x, options))
    out = [1 + max(p[axis] for p, _, _ in found) for axis in range(x.ndim - 2)]
    full = [_everywhere(np.asarray(w, float), lead, out, x.shape[-1]) for w, lead in weights]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for position, elements, count in found:
        for b in range(x.shape[0]):
            for c in range(x.shape[-1]):
                here = [w[(..., *position, c)] for w in full]
                y[(b, *position, c)] = value(elements[b, :, c], count, *here)
    return y


def _sigmoid(v: float) -> float:
    return 1 / (1 + math.exp(-v))


def _max_and_mean(share: float, e: np.ndarray, count: np.ndarray) -> float:
    inside = [v for v, counts in zip(e, count, strict=True) if counts]
    return share * max(inside) + (1 - share) * sum(inside) / len(inside)


def mixed_pool(x, options, alpha):
    return _pool(x, options, [(alpha, 0)], lambda e, count, a: _max_and_mean(float(a), e, count))


def gated_pool(x, options, weights):
    def value(e, count, w):
        return _max_and_mean(_sigmoid(sum(a * b for a, b in zip(w, e, strict=True))), e, count)

    return _pool(x, options, [(weights, 1)], value)


def tree_pool(x, options, filters, gates):
    def value(e, count, filters, gates):
        leaves = len(filters)

        def node(i):  # the tree as a heap: nodes 0 .. leaves - 2, then the leaves
            if i >= leaves - 1:
                return float(filters[i - (leaves - 1)] @ e)
            s = _sigmoid(float(gates[i] @ e))
            return s * node(2 * i + 1) + (1 - s) * node(2 * i + 2)

        return node(0)

    return _pool(x, options, [(filters, 2), (gates, 2)], value)
