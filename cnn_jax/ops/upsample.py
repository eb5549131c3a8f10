"""Upsampling by a whole factor, over any number of axes.

On one axis each of these is a sum over few neighbours, with other weights for each of the `factor`
phases of the larger axis: y[factor i + p] = sum over a of c[p, a] x[i + a].
"""

import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import merge_axis, pad_axis
from cnn_jax.ops.blur import binomial_filter
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.windows import Fill, check_fill, per_axis, spatial_rank

Row = dict[int, float]  # offset -> weight


def upsample_nearest(
    x: Float[Array, 'batch *spatial channels'], *, factor: int | Sequence[int] = 2
) -> Float[Array, 'batch *out channels']:
    """Every element `factor` times on each axis: n becomes factor * n.

    >>> upsample_nearest(jnp.array([1.0, 2.0]).reshape(1, 2, 1))[0, :, 0].tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    return _upsampled(x, factor, lambda f: [{0: 1.0}] * f, 'zero')


def upsample_bilinear(
    x: Float[Array, 'batch *spatial channels'],
    *,
    factor: int | Sequence[int] = 2,
    padding: Fill = 'replicate',
) -> Float[Array, 'batch *out channels']:
    """Linear interpolation on each axis: n becomes factor * n.

    Elements are cells, so element i of the result lies at (i + 1/2) / factor - 1/2 of `x`, as with
    torch's `align_corners=False`. `padding` says what lies beyond the border: torch's is
    'replicate'; with 'circular', rolling `x` by one rolls the result by `factor`.

    >>> upsample_bilinear(jnp.array([0.0, 4.0]).reshape(1, 2, 1))[0, :, 0].tolist()
    [0.0, 1.0, 3.0, 4.0]
    """

    def rows(factor: int) -> list[Row]:
        found = []
        for phase in range(factor):
            place = (phase + 0.5) / factor - 0.5
            first = math.floor(place)
            found.append({first: first + 1 - place, first + 1: place - first})
        return found

    return _upsampled(x, factor, rows, padding)


def upsample_blur(
    x: Float[Array, 'batch *spatial channels'],
    *,
    factor: int | Sequence[int] = 2,
    filter_size: int = 3,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *out channels']:
    """Zeros between the elements, then the binomial filter times `factor` on each axis.

    n becomes factor * n; element i of `x` is element factor * i before the filter. `padding` says
    what lies beyond the border of `x`. Away from borders this is the adjoint of `blur_pool` with
    the same filter, times factor^axes: an even filter reads one element more before than after, and
    size 2 at factor 2 is `upsample_nearest`. With factor 2 and a filter of 2 or more, a constant
    stays constant except with 'zero'.

    >>> upsample_blur(jnp.array([0.0, 4.0]).reshape(1, 2, 1), padding='replicate')[0, :, 0].tolist()
    [0.0, 2.0, 4.0, 4.0]
    """
    weights = binomial_filter(filter_size)

    def rows(factor: int) -> list[Row]:
        found: list[Row] = [{} for _ in range(factor)]
        for phase in range(factor):
            for tap, weight in enumerate(weights):
                offset, rest = divmod(phase + tap - filter_size // 2, factor)
                if rest == 0:
                    found[phase][offset] = factor * weight
        return found

    return _upsampled(x, factor, rows, padding)


def _upsampled(
    x: Array,
    factor: int | Sequence[int],
    rows: Callable[[int], Sequence[Row]],
    padding: Fill,
) -> Array:
    rank = spatial_rank(x)
    check_fill('padding', padding)
    y = at_least_float32(x)
    for axis, f in enumerate(per_axis('factor', factor, rank), start=1):
        y = _interleaved(y, axis, rows(f), padding)
    return y.astype(x.dtype)


def _interleaved(x: Array, axis: int, rows: Sequence[Row], fill: Fill) -> Array:
    """The axis with `len(rows)` elements for each, weighted as the rows say."""
    size, offsets = x.shape[axis], [offset for row in rows for offset in row]
    low, high = max(0, -min(offsets)), max(0, max(offsets))
    padded = pad_axis(x, axis, low, high, fill)
    phases = []
    for row in rows:
        terms = [
            jnp.asarray(weight, x.dtype)
            * lax.slice_in_dim(padded, low + offset, low + offset + size, axis=axis)
            for offset, weight in sorted(row.items())
        ]
        phases.append(sum(terms[1:], terms[0]) if terms else jnp.zeros_like(x))
    return merge_axis(jnp.stack(phases, axis + 1), axis)
