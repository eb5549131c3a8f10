"""Slow float64 NumPy loops, written from the definitions and sharing no code with cnn_jax."""

import itertools
import math

import numpy as np


def pad(x: np.ndarray, pairs, fill: str) -> np.ndarray:
    """Pads the spatial axes element by element: index arithmetic, no numpy.pad."""
    out_shape = [n + low + high for n, (low, high) in zip(x.shape[1:-1], pairs, strict=True)]
    out = np.zeros((x.shape[0], *out_shape, x.shape[-1]))
    for position in np.ndindex(*out_shape):
        source = []
        for i, n, (low, _) in zip(position, x.shape[1:-1], pairs, strict=True):
            source.append(source_index(i - low, n, fill))
        if None not in source:
            out[(slice(None), *position)] = x[(slice(None), *source)]
    return out


def source_index(i: int, n: int, fill: str) -> int | None:
    """Which element of an axis of length n stands at position i of the unbounded axis."""
    if 0 <= i < n:
        return i
    if fill == 'zero':
        return None
    if fill == 'replicate':
        return 0 if i < 0 else n - 1
    if fill == 'circular':
        return i % n
    while not 0 <= i < n:  # reflect about the outermost element, as often as needed
        if n == 1:
            return 0
        i = -i if i < 0 else 2 * (n - 1) - i
    return i


def windows(x: np.ndarray, window, stride):
    """Yields each output position and its (batch, *window, channels) patch."""
    out = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], window, stride, strict=True)]
    for position in itertools.product(*map(range, out)):
        cut = tuple(
            slice(p * s, p * s + k) for p, s, k in zip(position, stride, window, strict=True)
        )
        yield position, x[(slice(None), *cut)]


def reduce_windows(x: np.ndarray, window, stride, reduce) -> np.ndarray:
    """`reduce` maps a (batch, *window, channels) patch to (batch, channels)."""
    out = [(n - k) // s + 1 for n, k, s in zip(x.shape[1:-1], window, stride, strict=True)]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for position, patch in windows(x, window, stride):
        y[(slice(None), *position)] = reduce(patch)
    return y


def _spatial(patch: np.ndarray) -> tuple[int, ...]:
    return tuple(range(1, patch.ndim - 1))


def max_pool_gradient(x, g, window, stride):
    """The first maximum of each window, in row-major order, takes the window's whole gradient."""
    dx = np.zeros_like(x)
    for position, patch in windows(x, window, stride):
        for b, c in itertools.product(range(x.shape[0]), range(x.shape[-1])):
            flat = patch[b, ..., c].ravel()
            where = np.unravel_index(int(flat.argmax()), window)
            target = tuple(p * s + w for p, s, w in zip(position, stride, where, strict=True))
            dx[(b, *target, c)] += g[(b, *position, c)]
    return dx


def blur_pool(x, filter_size, stride, fill):
    rank = x.ndim - 2
    row = np.array([math.comb(filter_size - 1, i) for i in range(filter_size)]) / 2 ** (
        filter_size - 1
    )
    kernel = np.ones(())
    for _ in range(rank):
        kernel = np.multiply.outer(kernel, row)
    pairs = [((filter_size - 1) // 2, math.ceil((filter_size - 1) / 2))] * rank
    weights = kernel[None, ..., None]
    return reduce_windows(
        pad(x, pairs, fill),
        (filter_size,) * rank,
        stride,
        lambda p: (p * weights).sum(_spatial(p)),
    )


def conv(x, kernel, stride, pairs):
    y = None
    padded = pad(x, pairs, 'zero')
    out = [
        (n - k) // s + 1
        for n, k, s in zip(padded.shape[1:3], kernel.shape[:2], stride, strict=True)
    ]
    y = np.zeros((x.shape[0], *out, kernel.shape[-1]))
    for position, patch in windows(padded, kernel.shape[:2], stride):
        y[(slice(None), *position)] = np.einsum('bhwc,hwcf->bf', patch, kernel)
    return y


def window_elements(x, options):
    """For each output position, (position, elements, count): the heart of every windowed oracle.

    `elements` is (batch, taps, channels) in row-major order and holds 0 where `count`, a boolean
    per tap, says that the element is padding that does not count.
    """
    size, rank = x.shape[1:-1], x.ndim - 2
    window, stride, fill = options['window'], options['stride'], options['fill']
    pairs = options['padding']
    if pairs == 'valid':
        pairs = [(0, 0)] * rank
    elif pairs == 'same':
        pairs = [((k - 1) // 2, k // 2) for k in window]
    out = []
    for n, k, s, (low, high) in zip(size, window, stride, pairs, strict=True):
        starts = [i for i in range(-low, n + high) if (i + low) % s == 0]
        if options['ceil_mode']:  # a window may hang over, if it starts inside the map or before
            floor = [i for i in starts if i + k <= n + high]
            more = [i for i in starts if i > floor[-1] and i < n and floor[-1] + k < n + high]
            starts = floor + more[:1]
        else:
            starts = [i for i in starts if i + k <= n + high]
        out.append(starts)
    for position in itertools.product(*(range(len(s)) for s in out)):
        elements, count = [], []
        for offset in np.ndindex(*window):
            source, inside = [], True
            for axis, (p, o) in enumerate(zip(position, offset, strict=True)):
                i, n, high = out[axis][p] + o, size[axis], pairs[axis][1]
                if i >= n + high:  # overhang
                    inside = False
                elif fill is None:
                    inside = inside and 0 <= i < n
                source.append(source_index(i, n, fill or 'zero') if inside else None)
            count.append(inside)
            whole = inside and None not in source
            elements.append(
                x[(slice(None), *source)] if whole else np.zeros_like(x[:, *[0] * rank])
            )
        yield position, np.stack(elements, 1), np.array(count)


def reduce_elements(x, options, reduce):
    """`reduce((batch, counted taps, channels)) -> (batch, channels)` over every window."""
    found = {p: reduce(e[:, c]) for p, e, c in window_elements(x, options)}
    out = [1 + max(p[axis] for p in found) for axis in range(x.ndim - 2)]
    y = np.zeros((x.shape[0], *out, x.shape[-1]))
    for position, value in found.items():
        y[(slice(None), *position)] = value
    return y
