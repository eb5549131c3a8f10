"""The maximum over windows, and where it was: all axes in one loop, without scatters.

The forward pass is a maximum of strided slices. In the backward pass each phase of x gathers from
the windows that cover it; XLA's own, select-and-scatter, is 10 to 30 times slower and has no
deterministic kernel on GPUs. Three forms, the winners of ten that were measured (ms forward and
backward at (128, 28, 28, 16) and (128, 32, 32, 64), tcmalloc, 2 cores):

- windows that lie apart (stride >= window) find the winner again from x, y and g in the loop that
  writes the gradient: 0.6 and 4.2; with a stored number 2.7 and 3.9; stacked phases 1.8 and 9.8;
- windows that overlap keep the winner's number in the window, mostly one byte, since each
  element belongs to several: 3x3 at stride 2 0.4 and 4.6, found again 1.8 and 11.6;
- of those, windows of 2x2 at stride 1, as under a blur, compare their elements in pairs again: with
  the blur 1.8 and 8.8, with a stored number 2.4 and 9.8, where each element compares itself with
  its eight neighbours 8.9 and 45.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from cnn_jax.ops.taps import join_phases, slice_or_fill

_MOST_TAPS = 9  # in one loop; larger windows run one axis after the other
_MOST_PAIRED = 4  # taps of a window at stride 1 that are compared in pairs

Ints = tuple[int, ...]
Pick = Callable[[Array, Array], Array]


def max_windows(
    x: Array, window: Sequence[int], stride: Sequence[int], pick: Pick = jnp.maximum
) -> Array:
    """The maximum of each window, or with `pick=jnp.minimum` the minimum.

    The first in row-major order takes the whole gradient.

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
                x = _pick_apart(x, k, s, pick)
            elif max(s) == 1 and math.prod(k) <= _MOST_PAIRED:
                x = _pick_paired(x, k, pick)
            else:
                x = _pick_overlapping(x, k, s, pick, x.shape)
    return x


def _taps(x: Array, window: Ints, stride: Ints) -> list[Array]:
    """The elements of each window, one array for each place in it, in row-major order."""
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
    """Where the phases stand when each spatial axis is split into (blocks, stride)."""
    return [2 + 2 * axis for axis in range(len(stride))]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _pick_apart(x: Array, window: Ints, stride: Ints, pick: Pick) -> Array:
    return _forward(x, window, stride, pick)


def _apart_forward(x, window, stride, pick):
    y = _forward(x, window, stride, pick)
    return y, (x, y)


def _apart_backward(window, stride, pick, residuals, g):
    x, y = residuals
    axes, blocks = _phase_axes(stride), _blocks(x.shape[1:-1], stride)
    split = [1] * (2 + 2 * len(stride))
    for axis, s in zip(axes, stride, strict=True):
        split[axis] = s

    def spread(values: Array) -> Array:
        return jnp.expand_dims(slice_or_fill(values, [0] * len(blocks), blocks), axes)

    phases = [lax.broadcasted_iota(jnp.int32, split, axis) for axis in axes]
    *taps, _ = _taps(x, window, stride)
    hits = [tap == y for tap in taps] + [jnp.ones_like(y, bool)]  # of NaNs the last tap wins
    free = jnp.ones_like(y, bool)
    chosen = jnp.zeros((), bool)
    for place, hit in zip(np.ndindex(*window), hits, strict=True):
        here = [phase == p for phase, p in zip(phases, place, strict=True)]
        chosen = chosen | (functools.reduce(jnp.logical_and, here) & spread(free & hit))
        free = free & ~hit
    return (join_phases(jnp.where(chosen, spread(g), jnp.zeros((), g.dtype)), x.shape, stride),)


_pick_apart.defvjp(_apart_forward, _apart_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3, 4))
def _pick_overlapping(x: Array, window: Ints, stride: Ints, pick: Pick, shape: Ints) -> Array:
    return _forward(x, window, stride, pick)


def _overlapping_forward(x, window, stride, pick, shape):
    y = _forward(x, window, stride, pick)
    taps = _taps(x, window, stride)
    dtype = jnp.int8 if len(taps) <= 127 else jnp.int32
    winner = jnp.full(y.shape, len(taps) - 1, dtype)
    for number in reversed(range(len(taps) - 1)):
        winner = jnp.where(taps[number] == y, jnp.asarray(number, dtype), winner)
    return y, winner


def _overlapping_backward(window, stride, pick, shape, winner, g):
    blocks = _blocks(shape[1:-1], stride)
    reach = [-(-k // s) - 1 for k, s in zip(window, stride, strict=True)]
    if max(stride) > 1:  # one padded copy for all windows is faster here, slower at stride 1
        whole = [r + b for r, b in zip(reach, blocks, strict=True)]
        start = [-r for r in reach]
        g = slice_or_fill(g, start, whole)
        winner = slice_or_fill(winner, start, whole, fill=-1)
        origin = reach
    else:
        origin = [0] * len(reach)
    dx = jnp.zeros((), g.dtype)
    for back in itertools.product(*(range(r + 1) for r in reach)):  # windows started blocks earlier
        start = [o - d for o, d in zip(origin, back, strict=True)]
        number = jnp.asarray(_numbers(back, window, stride), winner.dtype)
        axes = _phase_axes(stride)
        here = jnp.expand_dims(slice_or_fill(winner, start, blocks, fill=-1), axes) == number
        dx = dx + jnp.where(here, jnp.expand_dims(slice_or_fill(g, start, blocks), axes), 0)
    return (join_phases(dx.astype(g.dtype), shape, stride),)


def _numbers(back: Ints, window: Ints, stride: Ints) -> np.ndarray:
    """Which tap each phase of x is in the window that started `back` blocks earlier; -2 if none."""
    numbers = np.full((1, *(n for s in stride for n in (1, s)), 1), -2)
    for phase in np.ndindex(*stride):
        place = [p + s * d for p, s, d in zip(phase, stride, back, strict=True)]
        if all(a < k for a, k in zip(place, window, strict=True)):
            at = (0, *(i for p in phase for i in (0, p)), 0)
            numbers[at] = np.ravel_multi_index(place, window)
    return numbers


_pick_overlapping.defvjp(_overlapping_forward, _overlapping_backward)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def _pick_paired(x: Array, window: Ints, pick: Pick) -> Array:
    return _forward(x, window, (1,) * len(window), pick)


def _paired_forward(x, window, pick):
    return _pick_paired(x, window, pick), x


def _paired_backward(window, pick, x, g):
    taps = _taps(x, window, (1,) * len(window))
    behind = jnp.less if pick is jnp.maximum else jnp.greater
    level = jnp.less_equal if pick is jnp.maximum else jnp.greater_equal
    dx = jnp.zeros((), g.dtype)
    for number, place in enumerate(np.ndindex(*window)):
        here = taps[number]
        pairs = [~level(here, tap) for tap in taps[:number]]  # a NaN always takes its share
        pairs += [~behind(here, tap) for tap in taps[number + 1 :]]
        won = jnp.where(functools.reduce(jnp.logical_and, pairs), g, jnp.zeros((), g.dtype))
        sides = [(p, k - 1 - p, 0) for p, k in zip(place, window, strict=True)]
        dx = dx + lax.pad(won, jnp.zeros((), g.dtype), [(0, 0, 0), *sides, (0, 0, 0)])
    return (dx,)


_pick_paired.defvjp(_paired_forward, _paired_backward)
