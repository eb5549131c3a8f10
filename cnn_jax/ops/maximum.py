"""The maximum over windows and its argmax: all axes in one loop, without scatters.

The forward pass is a maximum of strided slices. In the backward pass each phase of x gathers from
the windows that cover it; XLA's own, select-and-scatter, is 10 to 30 times slower and has no
deterministic kernel on GPUs. Three forms, the fastest of ten that were measured (ms forward and
backward at (128, 28, 28, 16) and (128, 32, 32, 64), tcmalloc, 2 cores):

- disjoint windows (stride >= window) find the winner again from x, y and g in the loop that
  writes the gradient: 0.6 and 4.2; with a stored index 2.7 and 3.9; stacked phases 1.8 and 9.8;
- overlapping windows store the winner's index in the window, mostly one byte, since each
  element belongs to several: 3x3 at stride 2 0.4 and 4.6, found again 1.8 and 11.6;
- 2x2 windows at stride 1, as before a blur, compare pairs again instead of storing winners: with
  the blur 1.8 and 8.8, with a stored index 2.4 and 9.8, with each element compared to its eight
  neighbours 8.9 and 45.

The tangent of the maximum is the tangent of the element that won, a linear map; the backward pass
is its transpose.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from cnn_jax.ops.linear import Arrays, with_tangent
from cnn_jax.ops.taps import join_phases, slice_or_fill

_MOST_TAPS = 9  # in one loop; larger windows run one axis after the other
_MOST_PAIRED = 4  # taps of a window at stride 1 that are compared in pairs

Ints = tuple[int, ...]
Pick = Callable[[Array, Array], Array]


def max_windows(
    x: Array, window: Sequence[int], stride: Sequence[int], pick: Pick = jnp.maximum
) -> Array:
    """The maximum of each window, or with `pick=jnp.minimum` the minimum.

    At ties the first element in row-major order takes the whole gradient.

    >>> max_windows(jnp.array([1.0, 3.0, 2.0, 2.0]).reshape(1, 4, 1), (2,), (2,))[0, :, 0].tolist()
    [3.0, 2.0]
    """
    loops = [(tuple(window), tuple(stride))]
    if math.prod(window) > _MOST_TAPS:
        loops = []
        for axis in reversed(range(len(window))):  # last axis first keeps ties in row-major order
            k, s = [1] * len(window), [1] * len(window)
            k[axis], s[axis] = window[axis], stride[axis]
            loops.append((tuple(k), tuple(s)))
    for k, s in loops:
        if math.prod(k) * math.prod(s) > 1:
            if all(b >= a for a, b in zip(k, s, strict=True)):
                (x,) = _pick_apart(x, k, s, pick)
            elif max(s) == 1 and math.prod(k) <= _MOST_PAIRED:
                (x,) = _pick_paired(x, k, pick)
            else:
                (x,) = _pick_overlapping(x, k, s, pick)
    return x


def _taps(x: Array, window: Ints, stride: Ints) -> list[Array]:
    """The elements of each window, one array per position in it, in row-major order."""
    reach = [s * ((n - k) // s) + 1 for n, k, s in zip(x.shape[1:-1], window, stride, strict=True)]
    found = []
    for place in np.ndindex(*window):
        stop = [p + r for p, r in zip(place, reach, strict=True)]
        limits = (x.shape[0], *stop, x.shape[-1])
        found.append(lax.slice(x, (0, *place, 0), limits, (1, *stride, 1)))
    return found


def _forward(x: Array, window: Ints, stride: Ints, pick: Pick) -> Array:
    return functools.reduce(pick, _taps(x, window, stride))


def _blocks(size: Sequence[int], stride: Ints) -> Ints:
    return tuple(-(-n // s) for n, s in zip(size, stride, strict=True))


def _phase_axes(stride: Ints) -> list[int]:
    """The axes of the phases when each spatial axis is split into (blocks, stride)."""
    return [2 + 2 * axis for axis in range(len(stride))]


def _chosen(conditions: Sequence[Array], values: Sequence[Array]) -> Array:
    """The first value whose condition holds, else the last; `values` is longer by one."""
    *values, result = values
    for condition, value in reversed(list(zip(conditions, values, strict=True))):
        result = jnp.where(condition, value, result)
    return result


def _pick_apart(x: Array, window: Ints, stride: Ints, pick: Pick) -> list[Array]:
    size = x.shape[1:-1]
    axes, blocks = _phase_axes(stride), _blocks(size, stride)
    split = [1] * (2 + 2 * len(stride))
    for axis, s in zip(axes, stride, strict=True):
        split[axis] = s

    def highest(x: Array) -> Arrays:
        return [_forward(x, window, stride, pick)]

    def keep(arrays: Arrays, results: Arrays) -> Arrays:
        return [lax.stop_gradient(a) for a in (*arrays, *results)]

    def hits(residuals: Arrays) -> list[Array]:
        """Where each tap but the last equals the maximum; among NaNs the last tap wins."""
        x, y = residuals
        return [tap == y for tap in _taps(x, window, stride)[:-1]]

    def gather(residuals: Arrays, tangents: Arrays) -> Arrays:
        return [_chosen(hits(residuals), _taps(tangents[0], window, stride))]

    def spread(values: Array) -> Array:
        return jnp.expand_dims(slice_or_fill(values, [0] * len(blocks), blocks), axes)

    def scatter(residuals: Arrays, cotangents: Arrays) -> Arrays:
        (g,), every = cotangents, jnp.ones_like(residuals[1], bool)
        phases = [lax.broadcasted_iota(jnp.int32, split, axis) for axis in axes]
        free, chosen = every, jnp.zeros((), bool)
        for place, hit in zip(np.ndindex(*window), [*hits(residuals), every], strict=True):
            here = [phase == p for phase, p in zip(phases, place, strict=True)]
            chosen = chosen | (functools.reduce(jnp.logical_and, here) & spread(free & hit))
            free = free & ~hit
        return [join_phases(jnp.where(chosen, spread(g), jnp.zeros((), g.dtype)), size, stride)]

    return with_tangent(highest, keep, gather, scatter)(x)


def _pick_overlapping(x: Array, window: Ints, stride: Ints, pick: Pick) -> list[Array]:
    size, last = x.shape[1:-1], math.prod(window) - 1
    dtype = jnp.int8 if last < 127 else jnp.int32

    def highest(x: Array) -> Arrays:
        return [_forward(x, window, stride, pick)]

    def keep(arrays: Arrays, results: Arrays) -> Arrays:
        (x,), (y,) = arrays, results
        *taps, _ = _taps(x, window, stride)
        numbers = [jnp.asarray(number, dtype) for number in range(last)]
        winner = _chosen([tap == y for tap in taps], [*numbers, jnp.full(y.shape, last, dtype)])
        return [winner]

    def gather(residuals: Arrays, tangents: Arrays) -> Arrays:
        (winner,) = residuals
        won = [winner == jnp.asarray(number, dtype) for number in range(last)]
        return [_chosen(won, _taps(tangents[0], window, stride))]

    def scatter(residuals: Arrays, cotangents: Arrays) -> Arrays:
        (winner,), (g,) = residuals, cotangents
        blocks, axes = _blocks(size, stride), _phase_axes(stride)
        reach = [-(-k // s) - 1 for k, s in zip(window, stride, strict=True)]
        origin = [0] * len(reach)
        if max(stride) > 1:  # one padded copy for all windows is faster here, slower at stride 1
            whole = [r + b for r, b in zip(reach, blocks, strict=True)]
            start = [-r for r in reach]
            g = slice_or_fill(g, start, whole)
            winner = slice_or_fill(winner, start, whole, fill=-1)
            origin = reach
        dx = jnp.zeros((), g.dtype)
        for back in itertools.product(*(range(r + 1) for r in reach)):  # windows starting earlier
            start = [o - d for o, d in zip(origin, back, strict=True)]
            number = jnp.asarray(_numbers(back, window, stride), dtype)
            here = jnp.expand_dims(slice_or_fill(winner, start, blocks, fill=-1), axes) == number
            dx = dx + jnp.where(here, jnp.expand_dims(slice_or_fill(g, start, blocks), axes), 0)
        return [join_phases(dx.astype(g.dtype), size, stride)]

    return with_tangent(highest, keep, gather, scatter)(x)


def _numbers(back: Ints, window: Ints, stride: Ints) -> np.ndarray:
    """The tap that each phase of x is in the window starting `back` blocks earlier; -2 if none."""
    numbers = np.full((1, *(n for s in stride for n in (1, s)), 1), -2)
    for phase in np.ndindex(*stride):
        place = [p + s * d for p, s, d in zip(phase, stride, back, strict=True)]
        if all(a < k for a, k in zip(place, window, strict=True)):
            at = (0, *(i for p in phase for i in (0, p)), 0)
            numbers[at] = np.ravel_multi_index(place, window)
    return numbers


def _pick_paired(x: Array, window: Ints, pick: Pick) -> list[Array]:
    ones = (1,) * len(window)
    behind = jnp.less if pick is jnp.maximum else jnp.greater
    level = jnp.less_equal if pick is jnp.maximum else jnp.greater_equal

    def highest(x: Array) -> Arrays:
        return [_forward(x, window, ones, pick)]

    def keep(arrays: Arrays, results: Arrays) -> Arrays:
        return [lax.stop_gradient(x) for x in arrays]

    def won(residuals: Arrays) -> list[Array]:
        """Where each tap beats all others; a NaN always does, so that it gets its gradient."""
        taps = _taps(residuals[0], window, ones)
        masks = []
        for number, here in enumerate(taps):
            pairs = [~level(here, tap) for tap in taps[:number]]
            pairs += [~behind(here, tap) for tap in taps[number + 1 :]]
            masks.append(functools.reduce(jnp.logical_and, pairs))
        return masks

    def gather(residuals: Arrays, tangents: Arrays) -> Arrays:
        taps = _taps(tangents[0], window, ones)
        zero = jnp.zeros((), tangents[0].dtype)
        shares = [jnp.where(w, t, zero) for w, t in zip(won(residuals), taps, strict=True)]
        return [functools.reduce(jnp.add, shares)]

    def scatter(residuals: Arrays, cotangents: Arrays) -> Arrays:
        (g,) = cotangents
        zero = jnp.zeros((), g.dtype)
        dx = zero
        for mask, place in zip(won(residuals), np.ndindex(*window), strict=True):
            sides = [(p, k - 1 - p, 0) for p, k in zip(place, window, strict=True)]
            dx = dx + lax.pad(jnp.where(mask, g, zero), zero, [(0, 0, 0), *sides, (0, 0, 0)])
        return [dx]

    return with_tangent(highest, keep, gather, scatter)(x)
