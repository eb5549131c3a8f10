"""Max pooling that keeps the places of its maxima, and un-pooling that puts values back there.

Neither gathers nor scatters, as in `cnn_jax.ops.maximum`: a window compares the place with that of
each of its elements, and an element that of each window that covers it.
"""

import itertools
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, Int

from cnn_jax.ops.linear import Arrays, linear_map
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.taps import join_phases, slice_or_fill
from cnn_jax.ops.windows import (
    Padding,
    Windows,
    output_size,
    padding_pairs,
    per_axis,
    place_windows,
    require_arrays,
    spatial_rank,
)

_OUTSIDE = -(2**29)  # the sum of up to four of these and a place is negative


def max_pool_with_places(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
) -> tuple[Float[Array, 'batch *out channels'], Int[Array, 'batch *out channels']]:
    """`max_pool`, and for each maximum its place: its row-major number within the map.

    As torch's `return_indices`. At ties the first element in row-major order is taken, as in the
    gradient of `max_pool`; a NaN wins, the first if there are several (torch takes the last).
    Padding is never a place. Places are int32 and have no gradient.

    Raises ValueError as `max_pool` does.

    >>> x = jnp.array([[5.0, 0, 0, 1], [0, 0, 1, 1]]).reshape(1, 2, 4, 1)
    >>> values, places = max_pool_with_places(x, window=2)
    >>> values.ravel().tolist(), places.ravel().tolist()
    ([5.0, 1.0], [0, 3])
    """
    windows = place_windows(x, window, stride, padding)
    values = max_pool(x, window=window, stride=stride, padding=padding)
    seen, highest = lax.stop_gradient(x), lax.stop_gradient(values)
    places = jnp.zeros(values.shape, jnp.int32)
    for tap, place in reversed(_taps(seen, windows)):
        won = ((tap == highest) | jnp.isnan(tap)) & (place >= 0)
        places = jnp.where(won, place, places)
    return values, places


def max_unpool(
    y: Float[Array, 'batch *out channels'],
    places: Int[Array, 'batch *out channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch *spatial channels']:
    """Each element of `y` at its place of a map of zeros (Zeiler & Fergus, ECCV 2014, section 2.1).

    `places` come from `max_pool_with_places` with the same window, stride and padding; `size` is
    the size of its map (default (n - 1) * stride + window, less the padding, as in torch). Where
    windows overlap and several have the same place, the last of them in row-major order counts, and
    it alone gets a gradient. A place outside its window is ignored.

    Raises ValueError for places that are not integers of the shape of `y`, and for a size of which
    the windows do not make that of `y`.

    >>> places = jnp.array([[0, 3]]).reshape(1, 1, 2, 1)
    >>> max_unpool(jnp.array([7.0, 8.0]).reshape(1, 1, 2, 1), places, window=2)[0, :, :, 0].tolist()
    [[7.0, 0.0, 0.0, 8.0], [0.0, 0.0, 0.0, 0.0]]
    """
    windows, size = _placed(y, places, window, stride, padding, size)
    starts = [low for low, _ in windows.padding]
    blocks = [-(-(n + low) // s) for n, low, s in zip(size, starts, windows.stride, strict=True)]
    axes = [2 + 2 * axis for axis in range(len(size))]  # of the phases, each after its blocks
    reach = [-(-k // s) - 1 for k, s in zip(windows.window, windows.stride, strict=True)]

    def spread(residuals: Arrays, arrays: Arrays) -> Arrays:
        (places,), (y,) = residuals, arrays
        zero = jnp.zeros((), y.dtype)
        y = jnp.where(_last(places, windows, reach), y, zero)
        vectors = [
            np.arange(b * s).reshape(b, s) - low
            for b, s, low in zip(blocks, windows.stride, starts, strict=True)
        ]
        here, x = _numbered(vectors, size), zero
        for back in itertools.product(*(range(r + 1) for r in reach)):  # windows starting earlier
            start = [-b for b in back]
            place = jnp.expand_dims(slice_or_fill(places, start, blocks, fill=-1), axes)
            value = jnp.expand_dims(slice_or_fill(y, start, blocks), axes)
            x = x + jnp.where(place == here, value, zero)
        whole = [n + low for n, low in zip(size, starts, strict=True)]
        x = join_phases(x, whole, windows.stride)
        return [lax.slice(x, (0, *starts, 0), (x.shape[0], *whole, x.shape[-1]))]

    def collect(residuals: Arrays, cotangents: Arrays) -> Arrays:
        (places,), (g,) = residuals, cotangents
        zero = jnp.zeros((), g.dtype)
        y = sum(jnp.where(place == places, tap, zero) for tap, place in _taps(g, windows))
        return [jnp.where(_last(places, windows, reach), y, zero)]

    return linear_map(spread, collect, (places,), (y,))[0]


def _placed(
    y: Array,
    places: Array,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    size: int | Sequence[int] | None,
) -> tuple[Windows, tuple[int, ...]]:
    """The windows that made a map of the size of `y`, and the size of the map they lay on."""
    rank = spatial_rank(y)
    require_arrays(places=places)
    if places.shape != y.shape or not jnp.issubdtype(places.dtype, jnp.integer):
        raise ValueError(
            f'places must be integers of shape {y.shape}; got {places.dtype} {places.shape}'
        )
    k = per_axis('window', window, rank)
    s = k if stride is None else per_axis('stride', stride, rank)
    pairs = padding_pairs(padding, k)
    if any(max(pair) >= width for pair, width in zip(pairs, k, strict=True)):
        raise ValueError(f'padding must be smaller than window {k} on each side; got {pairs}')
    out = y.shape[1:-1]
    if size is None:
        sides = zip(out, k, s, pairs, strict=True)
        sizes = tuple(max(1, (n - 1) * b + a - low - high) for n, a, b, (low, high) in sides)
    else:
        sizes = per_axis('size', size, rank)
    windows = Windows(k, s, pairs, (0,) * rank, out)
    if any(n + sum(p) < a for n, a, p in zip(sizes, k, pairs, strict=True)) or (
        output_size(sizes, window=k, stride=s, padding=pairs) != out
    ):
        raise ValueError(
            f'size must be that of a map which becomes {out} with window {k}, stride {s} and '
            f'padding {pairs}; got {size}'
        )
    return windows, sizes


def _taps(x: Array, windows: Windows) -> list[tuple[Array, Array]]:
    """The elements of each window, one array for each position in it, and their places."""
    found, size = [], x.shape[1:-1]
    for position in np.ndindex(*windows.window):
        start = [p - low for p, (low, _) in zip(position, windows.padding, strict=True)]
        tap = slice_or_fill(x, start, windows.out, windows.stride)
        vectors = [
            first + s * np.arange(out)
            for first, s, out in zip(start, windows.stride, windows.out, strict=True)
        ]
        found.append((tap, _numbered(vectors, size)))
    return found


def _numbered(vectors: Sequence[np.ndarray], size: Sequence[int]) -> Array:
    """The places of elements with these coordinates on each axis; negative outside of the map."""
    total, axes = jnp.zeros((), jnp.int32), sum(v.ndim for v in vectors)
    before, rows = 1, 1
    for n in size:
        rows *= n
    for vector, n in zip(vectors, size, strict=True):
        rows //= n
        numbers = np.where((vector >= 0) & (vector < n), vector * rows, _OUTSIDE)
        shape = [1] * (axes + 2)
        shape[before : before + vector.ndim] = vector.shape
        total = total + jnp.asarray(numbers.reshape(shape), jnp.int32)
        before += vector.ndim
    return total


def _last(places: Array, windows: Windows, reach: Sequence[int]) -> Array:
    """Whether no later window, in row-major order, has the same place."""
    last = jnp.ones((), bool)
    for ahead in itertools.product(*(range(-r, r + 1) for r in reach)):
        if ahead > (0,) * len(reach):
            last = last & (slice_or_fill(places, ahead, windows.out, fill=-1) != places)
    return last
