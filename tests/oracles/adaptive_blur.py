"""Learned, content-adaptive and edge-aware blurs, element by element."""

import itertools
import math

import numpy as np

from tests.oracles.plain import blur_pool, source_index


def _reads(x, filter_size, stride, fill):
    """Yields (position, taps): taps are (batch, channels) arrays in row-major order."""
    size = x.shape[1:-1]
    out = [math.ceil(n / s) for n, s in zip(size, stride, strict=True)]
    for position in itertools.product(*map(range, out)):
        taps = []
        for offset in itertools.product(*map(range, filter_size)):
            source = [
                source_index(p * s + o - (k - 1) // 2, n, fill)
                for p, s, o, k, n in zip(position, stride, offset, filter_size, size, strict=True)
            ]
            taps.append(np.zeros_like(x[:, *[0] * len(size)]) if None in source else x[:, *source])
        yield position, taps


def _softmax(v) -> list[float]:
    e = [math.exp(a) for a in v]
    return [a / sum(e) for a in e]


def learned_blur_pool(x, logits, stride, fill):
    rank = x.ndim - 2
    out = [math.ceil(n / s) for n, s in zip(x.shape[1:-1], stride, strict=True)]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for c in range(x.shape[-1]):
        weights = _softmax((logits if logits.ndim == rank else logits[..., c]).ravel())
        for position, taps in _reads(x, logits.shape[:rank], stride, fill):
            y[(slice(None), *position, c)] = sum(
                w * t[:, c] for w, t in zip(weights, taps, strict=True)
            )
    return y


def adaptive_blur_pool(x, logits, filter_size, stride, fill, normalise):
    taps_number, channels = math.prod(filter_size), x.shape[-1]
    groups = logits.shape[-1] // taps_number
    y = np.zeros((*logits.shape[:-1], channels))
    for position, taps in _reads(x, filter_size, stride, fill):
        for b, c in itertools.product(range(x.shape[0]), range(channels)):
            g = c * groups // channels
            own = logits[(b, *position)]
            mine = own[g * taps_number : (g + 1) * taps_number]
            total = sum(math.exp(v) for v in (mine if normalise == 'group' else own))
            y[(b, *position, c)] = sum(
                math.exp(v) / total * t[b, c] for v, t in zip(mine, taps, strict=True)
            )
    return y


def edge_aware_blur(x, filter_size, threshold, dilation, eps, fill):
    size, rank = x.shape[1:-1], x.ndim - 2
    blurred = blur_pool(x, filter_size, (1,) * rank, fill)

    def level(b, position, c):
        source = [source_index(p, n, fill) for p, n in zip(position, size, strict=True)]
        return math.log2((0.0 if None in source else max(x[(b, *source, c)], 0.0)) + eps)

    def contrast(b, position, axis):
        before, after = list(position), list(position)
        before[axis] -= 2
        after[axis] += 2
        channels = range(x.shape[-1])
        return abs(sum(level(b, after, c) - level(b, before, c) for c in channels) / x.shape[-1])

    y = np.array(blurred)
    nearest = math.inf  # how near any contrast comes to the threshold: ties may go either way
    for b in range(x.shape[0]):
        edges = np.zeros(size, bool)
        for position in np.ndindex(*size):
            contrasts = [contrast(b, position, axis) for axis in range(rank)]
            nearest = min([nearest, *(abs(v - math.log2(threshold)) for v in contrasts)])
            edges[position] = any(v > math.log2(threshold) for v in contrasts)
        for position in np.ndindex(*size):
            reach = range(-(dilation // 2), dilation // 2 + 1)
            for offset in itertools.product(reach, repeat=rank):
                source = [
                    source_index(p + o, n, fill)
                    for p, o, n in zip(position, offset, size, strict=True)
                ]
                if None not in source and edges[tuple(source)]:
                    y[(b, *position)] = x[(b, *position)]
    return y, nearest
