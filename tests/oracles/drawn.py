"""Max pooling at random positions, in loops from the definitions."""

import math

import numpy as np


def fractional_starts(size: int, window: int, out: int, u: float) -> list[int]:
    """Where the windows of one axis start; `u` and its products in float32, as in torch."""
    if out == 1:
        return [size - window]
    alpha = np.float32((size - window) / (out - 1))
    starts = [
        math.floor((np.float32(i) + u) * alpha) - math.floor(u * alpha) for i in range(out - 1)
    ]
    return [*starts, size - window]


def fractional_max_pool(x, samples, window, size):
    """`samples` (batch, channels, 2) holds u for each axis."""
    y = np.zeros((x.shape[0], *size, x.shape[-1]))
    for b, c in np.ndindex(x.shape[0], x.shape[-1]):
        rows = fractional_starts(x.shape[1], window[0], size[0], samples[b, c, 0])
        columns = fractional_starts(x.shape[2], window[1], size[1], samples[b, c, 1])
        for i, j in np.ndindex(*size):
            top, left = rows[i], columns[j]
            y[b, i, j, c] = x[b, top : top + window[0], left : left + window[1], c].max()
    return y


def max_at_stride_1(x, window):
    """The map keeps its size; an even window reaches further after its element than before it."""
    y = np.zeros(x.shape)
    before, after = (window - 1) // 2, window // 2
    for i, j in np.ndindex(*x.shape[1:3]):
        rows, columns = (slice(max(0, p - before), p + after + 1) for p in (i, j))
        y[:, i, j] = x[:, rows, columns].max((1, 2))
    return y


def s3_mean(x, window, stride):
    """After training: the mean of what lies in each block."""
    maxima = max_at_stride_1(x, window)
    out = [-(-n // stride) for n in x.shape[1:3]]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for i, j in np.ndindex(*out):
        rows, columns = (slice(p * stride, (p + 1) * stride) for p in (i, j))
        y[:, i, j] = maxima[:, rows, columns].mean((1, 2))
    return y
