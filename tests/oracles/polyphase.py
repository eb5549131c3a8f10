"""Polyphase sampling in float64 loops, from the definitions."""

import itertools
import math

import numpy as np

from tests.oracles.plain import conv, pad, source_index


def blurred(x, filter_size, fill, size):
    """The binomial blur at positions 0 .. size - 1 of a map that goes on as `fill` says."""
    row = [math.comb(filter_size - 1, i) / 2 ** (filter_size - 1) for i in range(filter_size)]
    low = (filter_size - 1) // 2
    out = np.zeros((x.shape[0], *size, x.shape[-1]))
    for i, j in np.ndindex(*size):
        for u, v in np.ndindex(filter_size, filter_size):
            a = source_index(i - low + u, x.shape[1], fill)
            b = source_index(j - low + v, x.shape[2], fill)
            if a is not None and b is not None:
                out[:, i, j] += row[u] * row[v] * x[:, a, b]
    return out


def full_size(x, stride):
    return tuple(-(-n // s) * s for n, s in zip(x.shape[1:3], stride, strict=True))


def components(x, stride):
    """{(row offset, column offset): component}; the sizes are multiples of the stride."""
    return {(i, j): x[:, i :: stride[0], j :: stride[1]] for i, j in np.ndindex(*stride)}


def aps_norms(x, stride, filter_size, fill, norm):
    """(batch, phases) in the order of APS: row offsets run fastest."""
    found = components(blurred(x, filter_size, fill, full_size(x, stride)), stride)
    measure = {
        'l1': lambda p: np.abs(p).sum(),
        'l2': lambda p: np.sqrt((p**2).sum()),
        'max': lambda p: np.abs(p).max(),
    }[norm]
    order = [(i, j) for j in range(stride[1]) for i in range(stride[0])]
    return np.array([[measure(found[o][b]) for o in order] for b in range(x.shape[0])])


def aps_pool(x, stride, filter_size, fill, index):
    found = components(blurred(x, filter_size, fill, full_size(x, stride)), stride)
    return np.stack(
        [found[k % stride[0], k // stride[0]][b] for b, k in enumerate(np.asarray(index).tolist())]
    )


def lps_components(x, stride, filter_size, fill):
    """(batch, phases, ...) in row-major order, of the blurred map filled up with zeros."""
    (height, width), (rows, columns) = full_size(x, stride), x.shape[1:3]
    x = blurred(x, filter_size, fill, (rows, columns))
    x = pad(x, [(0, height - rows), (0, width - columns)], 'zero')
    found = components(x, stride)
    return np.stack([found[o] for o in itertools.product(*map(range, stride))], 1)


def lps_logits(parts, kernel, bias, mixing):
    def circular(x, kernel):
        return conv(pad(x, [(1, 1), (1, 1)], 'circular'), kernel, (1, 1), [(0, 0), (0, 0)])

    return np.stack(
        [
            circular(np.maximum(circular(parts[:, i], kernel) + bias, 0), mixing).mean((1, 2, 3))
            for i in range(parts.shape[1])
        ],
        1,
    )


def softmax(scores, axis):
    e = np.exp(scores - scores.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def mixed(parts, weights):
    """`weights` is (batch, phases) or (batch, phases, channels)."""
    if weights.ndim == 2:
        weights = weights[..., None]
    return sum(weights[:, i, None, None] * parts[:, i] for i in range(parts.shape[1]))


def tips(x, kernel, scale, stride):
    """(y, weights, features)."""
    height, width = full_size(x, stride)
    x = pad(x, [(height - x.shape[1], 0), (width - x.shape[2], 0)], 'reflect')
    channels = x.shape[-1]
    features = np.zeros(x.shape)
    for c in range(channels):
        one = conv(x[..., c : c + 1], kernel[:, :, c, None, None], (1, 1), [(1, 1), (1, 1)])
        features[..., c] = np.maximum(one[..., 0], 0)
    rows, columns = height // stride[0], width // stride[1]
    means = np.stack(
        [
            features[:, i * rows : (i + 1) * rows, j * columns : (j + 1) * columns].mean((1, 2))
            for i, j in np.ndindex(*stride)
        ],
        1,
    )
    weights = softmax(means * scale, 1)
    parts = np.stack([components(x, stride)[o] for o in np.ndindex(*stride)], 1)
    return mixed(parts, weights), weights, features
