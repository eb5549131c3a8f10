"""One spatial axis at a time: the elements of windows, and borders, with scatter-free gradients.

Forward and adjoint are written by hand, because XLA:CPU turns the automatic adjoint of a strided
slice into one full-size padded array per tap (measured 6 to 10 times slower). Here the adjoint of
"take every s-th element" is "interleave the s phases", a reshape.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from cnn_jax.ops.linear import Arrays, linear_map

Ints = tuple[int, ...]

NUMPY_MODE: Mapping[str, Literal['reflect', 'edge', 'wrap']] = {
    'reflect': 'reflect',
    'replicate': 'edge',
    'circular': 'wrap',
}


def _rows(x: Array, axis: int, start: int, stop: int) -> Array:
    return lax.slice_in_dim(x, start, stop, axis=axis)


def _grow(x: Array, axis: int, low: int, high: int, value: float = 0.0) -> Array:
    """`x` with `low` and `high` rows of `value` added on `axis`; a negative count crops."""
    config = [(0, 0, 0)] * x.ndim
    config[axis] = (low, high, 0)
    return lax.pad(x, jnp.asarray(value, x.dtype), config)


def split_axis(x: Array, axis: int, stride: int) -> Array:
    """Splits an axis into (blocks, stride).

    One axis at a time: where other axes are explicitly sharded, JAX refuses to reshape several.

    >>> split_axis(jnp.zeros((2, 6, 3)), 1, 2).shape
    (2, 3, 2, 3)
    """
    return x.reshape(*x.shape[:axis], x.shape[axis] // stride, stride, *x.shape[axis + 1 :])


def merge_axis(x: Array, axis: int) -> Array:
    """The inverse of `split_axis`: merges `axis` with the next one.

    >>> merge_axis(jnp.zeros((2, 3, 2, 3)), 1).shape
    (2, 6, 3)
    """
    return x.reshape(*x.shape[:axis], x.shape[axis] * x.shape[axis + 1], *x.shape[axis + 2 :])


def taps(x: Array, axis: int, window: int, stride: int) -> list[Array]:
    """The `window` equally long arrays x[j], x[j + stride], x[j + 2 stride], ..., j < window.

    >>> [t.tolist() for t in taps(jnp.arange(5.0), 0, window=3, stride=2)]
    [[0.0, 2.0], [1.0, 3.0], [2.0, 4.0]]
    """
    size = x.shape[axis]
    out = (size - window) // stride + 1
    if stride == 1:
        return [_rows(x, axis, j, j + out) for j in range(window)]
    blocks = -(-((out - 1) * stride + window) // stride)
    phases = split_axis(_grow(x, axis, 0, blocks * stride - size), axis, stride)
    return [
        _rows(
            lax.index_in_dim(phases, j % stride, axis + 1, keepdims=False),
            axis,
            j // stride,
            j // stride + out,
        )
        for j in range(window)
    ]


def spread_taps(cotangents: Sequence[Array], axis: int, stride: int, size: int) -> Array:
    """The adjoint of `taps`: adds every tap back at the position where it was read.

    >>> spread_taps([jnp.ones(2), jnp.ones(2), jnp.ones(2)], 0, stride=2, size=5).tolist()
    [1.0, 1.0, 2.0, 1.0, 1.0]
    """
    window = len(cotangents)
    reach = -(-window // stride) - 1
    phases = []
    for r in range(min(stride, window)):
        tapped = [
            _grow(cotangents[j], axis, j // stride, reach - j // stride)
            for j in range(r, window, stride)
        ]
        phases.append(sum(tapped[1:], tapped[0]))
    phases += [jnp.zeros_like(phases[0])] * (stride - len(phases))
    x = phases[0] if stride == 1 else merge_axis(jnp.stack(phases, axis + 1), axis)
    return _grow(x, axis, 0, size - x.shape[axis])


def pad_axis(x: Array, axis: int, low: int, high: int, fill: str) -> Array:
    """Pads one axis with 'zero', 'reflect', 'replicate' or 'circular' rows.

    Reflection repeats on maps shorter than the padding and replicates a map of size 1, as
    `numpy.pad` does. Rows are copied one by one, which costs only as much as the border: jnp.pad's
    reversed slices cost a pass over the whole array. Barriers keep this copy, and that of the
    adjoint, from being fused into the loops that read it, which would then branch for every element
    (circular max pooling: 8.8 ms without barriers, 3.2 with).

    >>> pad_axis(jnp.arange(3.0), 0, 1, 2, 'reflect').tolist()
    [1.0, 0.0, 1.0, 2.0, 1.0, 0.0]
    """
    if low == high == 0:
        return x
    if fill == 'zero':
        return _grow(x, axis, low, high)
    source = tuple(np.pad(np.arange(x.shape[axis]), (low, high), mode=NUMPY_MODE[fill]).tolist())
    border = {'axis': axis, 'low': low, 'source': source, 'size': x.shape[axis]}
    (padded,) = linear_map(
        partial(_copy_border, **border), partial(_add_border, **border), (), (x,)
    )
    return padded


def _copy_border(_, arrays: Arrays, *, axis: int, low: int, source: Ints, size: int) -> Arrays:
    """Row i of the padded axis is a copy of row `source[i]`."""
    (x,) = arrays
    before = [_rows(x, axis, i, i + 1) for i in source[:low]]
    after = [_rows(x, axis, i, i + 1) for i in source[low + size :]]
    return [lax.optimization_barrier(lax.concatenate([*before, x, *after], axis))]


def _add_border(_, cotangents: Arrays, *, axis: int, low: int, source: Ints, size: int) -> Arrays:
    """The adjoint of `_copy_border`: adds each border row to the row that it was copied from."""
    g = lax.optimization_barrier(cotangents[0])
    copies = defaultdict(list)
    for position, row in enumerate(source):
        if position != low + row:
            copies[row].append(position)
    parts, done = [], 0
    for row in sorted(copies):
        if row > done:
            parts.append(_rows(g, axis, low + done, low + row))
        total = _rows(g, axis, low + row, low + row + 1)
        for position in copies[row]:
            total = total + _rows(g, axis, position, position + 1)
        parts.append(total)
        done = row + 1
    if done < size:
        parts.append(_rows(g, axis, low + done, low + size))
    return [lax.concatenate(parts, axis)]
