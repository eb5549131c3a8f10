"""Value-weighted pooling as float64 loops over windows, written from the definitions."""

import itertools
import math

import numpy as np

from tests.oracles.plain import source_index, window_elements


def _pool(x, options, reduce):
    """`reduce(counted elements of one window and channel, position, channel)` -> number."""
    found = {}
    for position, elements, count in window_elements(x, options):
        for b, c in np.ndindex(x.shape[0], x.shape[-1]):
            found[(b, *position, c)] = reduce(elements[b, count, c].tolist(), position, b, c)
    shape = [1 + max(index[axis] for index in found) for axis in range(x.ndim)]
    y = np.zeros(shape)
    for index, value in found.items():
        y[index] = value
    return y


def _mean(values, weights):
    return sum(v * w for v, w in zip(values, weights, strict=True)) / sum(weights)


def soft_pool(x, options):
    return _pool(x, options, lambda e, *_: _mean(e, [math.exp(v) for v in e]))


def lse_pool(x, options, r):
    """`r`: one number per channel."""
    return _pool(
        x,
        options,
        lambda e, p, b, c: math.log(sum(math.exp(r[c] * v) for v in e) / len(e)) / r[c],
    )


def gem_pool(x, options, p, eps):
    """`p`: one number per channel."""
    return _pool(
        x,
        options,
        lambda e, _, b, c: (sum(max(v, eps) ** p[c] for v in e) / len(e)) ** (1 / p[c]),
    )


def stochastic_pool_expected(x, options):
    def reduce(e, *_):
        positive = [max(v, 0.0) for v in e]
        return _mean(e, positive) if sum(positive) > 0 else 0.0

    return _pool(x, options, reduce)


def stochastic_pool_drawn(x, options, uniform):
    """The element whose share of the interval [0, sum) holds uniform * sum."""

    def reduce(e, position, b, c):
        positive = [max(v, 0.0) for v in e]
        target, passed = uniform[(b, *position, c)] * sum(positive), 0.0
        for value, share in zip(e, positive, strict=True):
            passed += share
            if target < passed:
                return value
        return 0.0

    return _pool(x, options, reduce)


def lip_pool(x, logits, options):
    rows = []
    weights = {
        p: np.exp(e[:, c]) for p, e, c in window_elements(np.broadcast_to(logits, x.shape), options)
    }
    for p, e, c in window_elements(x, options):
        rows.append((p, (weights[p] * e[:, c]).sum(1) / weights[p].sum(1)))
    out = [1 + max(p[axis] for p, _ in rows) for axis in range(2)]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for p, value in rows:
        y[:, p[0], p[1]] = value
    return y


def lip_logits(x, kernel, scale, bias):
    batch, height, width, channels = x.shape
    z = np.zeros(x.shape)
    for b, i, j, f in np.ndindex(*x.shape):
        for u, v, c in np.ndindex(3, 3, channels):
            k, m = i + u - 1, j + v - 1
            if 0 <= k < height and 0 <= m < width:
                z[b, i, j, f] += x[b, k, m, c] * kernel[u, v, c, f]
    logits = np.zeros(x.shape)
    for b, f in np.ndindex(batch, channels):
        plane = z[b, :, :, f]
        norm = (plane - plane.mean()) / math.sqrt(plane.var() + 1e-5)
        logits[b, :, :, f] = 12 / (1 + np.exp(-(norm * scale[f] + bias[f])))
    return logits


def detail_preserving_pool(x, stride, power, bias, symmetric, kernel=None):
    """`power`, `bias`: one number per channel; `kernel`: (height, width, channels) or None."""
    batch, height, width, channels = x.shape
    out = math.ceil(height / stride[0]), math.ceil(width / stride[1])
    y = np.zeros((batch, *out, channels))
    for b, i, j, c in np.ndindex(*y.shape):
        top, left = i * stride[0], j * stride[1]
        rows = range(top, min(top + stride[0], height))
        columns = range(left, min(left + stride[1], width))
        e = [x[b, k, m, c] for k, m in itertools.product(rows, columns)]
        if kernel is None:
            smooth = sum(e) / len(e)
        else:
            smooth = 0.0
            for u, v in np.ndindex(*kernel.shape[:2]):
                k = source_index(top + u - (kernel.shape[0] - 1) // 2, height, 'zero')
                m = source_index(left + v - (kernel.shape[1] - 1) // 2, width, 'zero')
                if k is not None and m is not None:
                    smooth += kernel[u, v, c] * x[b, k, m, c]
        apart = [v - smooth if symmetric else max(v - smooth, 0.0) for v in e]
        q = [d * d + 1e-3 for d in apart]
        mean = sum(q) / len(q)
        y[b, i, j, c] = _mean(e, [(one / mean) ** (power[c] / 2) + bias[c] for one in q])
    return y


def ada_pool(x, options, beta):
    """`beta`: an array that holds a number per output location."""
    y = {}
    for p, e, count in window_elements(x, options):
        for b in range(x.shape[0]):
            vectors = e[b, count]
            mean = vectors.mean(0)
            likeness = []
            for v in vectors:
                squares = (v * v).sum() + (mean * mean).sum()
                likeness.append(2 * abs((v * mean).sum()) / squares if squares > 0 else 0.0)
            for c in range(x.shape[-1]):
                values = vectors[:, c].tolist()
                by_likeness = _mean(values, [math.exp(s) for s in likeness])
                by_size = _mean(values, [math.exp(v) for v in values])
                y[(b, *p, c)] = beta[p] * by_likeness + (1 - beta[p]) * by_size
    result = np.zeros([1 + max(index[axis] for index in y) for axis in range(4)])
    for index, value in y.items():
        result[index] = value
    return result


def ordinal_pool(x, options, weights, *, normalise=True):
    """`weights`: (taps, channels), for the largest element first."""

    def reduce(e, _, b, c):
        used = weights[: len(e), c].tolist()
        total = sum(w * v for w, v in zip(used, sorted(e, reverse=True), strict=True))
        return total / sum(used) if normalise else total

    return _pool(x, options, reduce)
