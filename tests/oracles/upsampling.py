"""Slow float64 loops for un-pooling, upsampling and transposed convolution."""

import itertools
import math

import numpy as np

from tests.oracles.plain import source_index


def max_pool_with_places(x, window, stride, pairs):
    """The first maximum of each window and its row-major number in the map."""
    size = x.shape[1:-1]
    starts = [
        [i - low for i in range(0, n + low + high - k + 1, s)]
        for n, k, s, (low, high) in zip(size, window, stride, pairs, strict=True)
    ]
    shape = (x.shape[0], *map(len, starts), x.shape[-1])
    values, places = np.zeros(shape), np.zeros(shape, int)
    for out in np.ndindex(*map(len, starts)):
        for b, c in itertools.product(range(x.shape[0]), range(x.shape[-1])):
            best = None
            for offset in np.ndindex(*window):
                at = [starts[a][o] + d for a, (o, d) in enumerate(zip(out, offset, strict=True))]
                if all(0 <= i < n for i, n in zip(at, size, strict=True)):
                    value = x[(b, *at, c)]
                    if best is None or value > best[0]:
                        best = value, np.ravel_multi_index(at, size)
            assert best is not None
            values[(b, *out, c)], places[(b, *out, c)] = best
    return values, places


def max_unpool(y, places, size):
    """Written one after the other, so the last of several with one place stays."""
    x = np.zeros((y.shape[0], *size, y.shape[-1]))
    for index in np.ndindex(*y.shape):
        at = np.unravel_index(places[index], size)
        x[(index[0], *at, index[-1])] = y[index]
    return x


def _along(x, axis, weights_of):
    """y[n] = sum of weight * x[source] over `weights_of(n)`, on one axis."""
    x = np.moveaxis(x, axis, 0)
    rows = []
    for pairs in weights_of:
        row = np.zeros(x.shape[1:])
        for source, weight in pairs:
            if source is not None:
                row = row + weight * x[source]
        rows.append(row)
    return np.moveaxis(np.stack(rows), 0, axis)


def nearest(x, factor):
    for axis, f in enumerate(factor, start=1):
        x = _along(x, axis, [[(i // f, 1.0)] for i in range(f * x.shape[axis])])
    return x


def bilinear(x, factor, fill):
    for axis, f in enumerate(factor, start=1):
        n, rows = x.shape[axis], []
        for i in range(f * n):
            place = (i + 0.5) / f - 0.5
            low = math.floor(place)
            rows.append(
                [(source_index(low + d, n, fill), 1 - abs(place - low - d)) for d in (0, 1)]
            )
        x = _along(x, axis, rows)
    return x


def binomial(size):
    return [math.comb(size - 1, i) / 2 ** (size - 1) for i in range(size)]


def blur(x, factor, filter_size, fill):
    """The filter over a zero-filled axis without end, made from the small axis without end."""
    for axis, f in enumerate(factor, start=1):
        n, rows = x.shape[axis], []
        for i in range(f * n):
            row = []
            for tap, weight in enumerate(binomial(filter_size)):
                at = i + tap - filter_size // 2
                if at % f == 0:
                    row.append((source_index(at // f, n, fill), f * weight))
            rows.append(row)
        x = _along(x, axis, rows)
    return x


def smooth(x, strides, filter_size, fill):
    """The filter of APS-U on the large map."""
    for axis, s in enumerate(strides, start=1):
        n = x.shape[axis]
        rows = [
            [
                (source_index(i + tap - filter_size // 2, n, fill), s * weight)
                for tap, weight in enumerate(binomial(filter_size))
            ]
            for i in range(n)
        ]
        x = _along(x, axis, rows)
    return x


def conv_transpose(x, kernel, strides):
    """All of the result: every element adds its multiple of the kernel."""
    (b, h, w, _), (kh, kw, _, features) = x.shape, kernel.shape
    y = np.zeros((b, (h - 1) * strides[0] + kh, (w - 1) * strides[1] + kw, features))
    for i, j, u, v in itertools.product(range(h), range(w), range(kh), range(kw)):
        y[:, strides[0] * i + u, strides[1] * j + v] += x[:, i, j] @ kernel[u, v]
    return y


def soft_argmax(x):
    out = np.zeros((x.shape[0], x.shape[-1], x.ndim - 2))
    for b, c in itertools.product(range(x.shape[0]), range(x.shape[-1])):
        weights = np.exp(x[b, ..., c] - x[b, ..., c].max())
        for at in np.ndindex(*weights.shape):
            out[b, c] += np.array(at) * weights[at] / weights.sum()
    return out
