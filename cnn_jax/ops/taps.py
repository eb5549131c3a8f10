"""The elements of every window, gathered along a leading axis; the adjoint has no scatters.

Where pooling is not separable (soft, ranked, sampled, mixed pooling), an op takes all elements of a
window at once from `window_taps`; the rest is elementwise arithmetic and a reduction over axis 0.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from cnn_jax.ops.axis import merge_axis, pad_axis, spread_taps, taps
from cnn_jax.ops.floats import compute_dtype
from cnn_jax.ops.linear import Arrays, linear_map
from cnn_jax.ops.windows import Fill, Windows


def _axis_taps(x: Array, axis: int, window: int, stride: int) -> Array:
    """(window, ...): the elements of the windows on one axis."""

    def gather(_, arrays: Arrays) -> Arrays:
        return [jnp.stack(taps(arrays[0], axis, window, stride))]

    def spread(_, cotangents: Arrays) -> Arrays:
        (g,) = cotangents
        return [spread_taps([g[j] for j in range(window)], axis, stride, size)]

    size = x.shape[axis]
    return linear_map(gather, spread, (), (x,))[0]


def slice_or_fill(
    x: Array,
    starts: Sequence[int],
    sizes: Sequence[int],
    strides: Sequence[int] | None = None,
    *,
    fill: int = 0,
) -> Array:
    """x[start + stride i] for i < size on each spatial axis, `fill` where that is outside of x.

    Several calls on one array fuse into one bounds-checked loop: XLA fuses the padding of each
    slice, whereas a pad shared by all would copy the whole map.

    >>> slice_or_fill(jnp.arange(1.0, 4.0).reshape(1, 3, 1), [-1], [3], [2])[0, :, 0].tolist()
    [0.0, 2.0, 0.0]
    """
    strides = strides or [1] * len(starts)
    low, stop, pads = [], [], []
    for n, start, size, s in zip(x.shape[1:-1], starts, sizes, strides, strict=True):
        first = min(size, max(0, -(start // s)))
        inside = max(0, min(size, -(-(n - start) // s)) - first)
        low.append(max(0, start + s * first) if inside else 0)
        stop.append(low[-1] + s * (inside - 1) + 1 if inside else 0)
        pads.append((first, size - first - inside, 0))
    x = lax.slice(x, (0, *low, 0), (x.shape[0], *stop, x.shape[-1]), (1, *strides, 1))
    return lax.pad(x, jnp.asarray(fill, x.dtype), [(0, 0, 0), *pads, (0, 0, 0)])


def join_phases(x: Array, size: Sequence[int], strides: Sequence[int]) -> Array:
    """(batch, blocks, stride, blocks, stride, ..., channels) -> (batch, *size, channels).

    Cropped at the high ends. Axes of blocks and phases may have size 1, which is broadcast.

    >>> x = jnp.array([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> join_phases(x, [3], [2])[0, :, 0].tolist()
    [1.0, 2.0, 3.0]
    """
    split = [m for n, s in zip(size, strides, strict=True) for m in (-(-n // s), s)]
    x = jnp.broadcast_to(x, (x.shape[0], *split, x.shape[-1]))
    for axis in range(1, 1 + len(size)):
        x = merge_axis(x, axis)
    return lax.slice(x, [0] * x.ndim, (x.shape[0], *size, x.shape[-1]))


def pad_windows(x: Array, windows: Windows, fill: Fill | None, neutral: float) -> Array:
    """`x` with its padding: filled by `fill`, or `neutral` where that is None.

    The overhang of ceil_mode always holds `neutral`.
    """
    for axis, (low, high) in enumerate(windows.padding, start=1):
        if fill is not None:
            x = pad_axis(x, axis, low, high, fill)
    pairs = [
        (0 if fill else low, over + (0 if fill else high))
        for (low, high), over in zip(windows.padding, windows.overhang, strict=True)
    ]
    if any(low or high for low, high in pairs):
        config = [(0, 0, 0), *((low, high, 0) for low, high in pairs), (0, 0, 0)]
        x = lax.pad(x, jnp.asarray(neutral, x.dtype), config)
    return x


def counted(windows: Windows, fill: Fill | None, size: tuple[int, ...]) -> list[np.ndarray]:
    """For each axis, (windows, window) booleans: which elements of each window count.

    Padding counts where `fill` says what it holds; the overhang of ceil_mode never does.
    """
    masks = []
    for n, k, s, out, (low, high) in zip(size, *windows[:2], windows.out, windows[2], strict=True):
        position = np.arange(out)[:, None] * s + np.arange(k) - low
        first, last = (0, n) if fill is None else (-low, n + high)
        masks.append((position >= first) & (position < last))
    return masks


def window_taps(
    x: Float[Array, 'batch *spatial channels'], windows: Windows, fill: Fill | None
) -> tuple[Float[Array, 'taps batch *out channels'], Bool[Array, '#taps 1 *#out 1']]:
    """The elements of each window, in row-major order along axis 0, and which of them count.

    Elements that do not count hold zero. Where all count, the second result is a single True
    that broadcasts: (1, 1, ..., 1).

    >>> from cnn_jax.ops.windows import place_windows
    >>> x = jnp.arange(1.0, 5.0).reshape(1, 4, 1)
    >>> values, counts = window_taps(x, place_windows(x, 3, 2, 'same'), None)
    >>> values[:, 0, :, 0].T.tolist(), counts[:, 0, :, 0].T.tolist()
    ([[0.0, 1.0, 2.0], [2.0, 3.0, 4.0]], [[False, True, True], [True, True, True]])
    """
    masks = counted(windows, fill, x.shape[1:-1])
    x = pad_windows(x, windows, fill, 0.0)[None]
    for axis, (k, s) in enumerate(zip(windows.window, windows.stride, strict=True), start=2):
        x = _axis_taps(x, axis, k, s)  # (k, taps so far, batch, ...)
        x = merge_axis(jnp.moveaxis(x, 0, 1), 0)
    if all(mask.all() for mask in masks):
        return x, jnp.ones((1,) * x.ndim, bool)
    inside = np.ones((1,) * x.ndim, bool)
    for axis, mask in enumerate(masks):
        shape = [1] * (1 + x.ndim)
        shape[1], shape[3 + axis] = mask.shape[1], mask.shape[0]
        inside = inside[:, None] & mask.T.reshape(shape)
        inside = inside.reshape(-1, *inside.shape[2:])
    return x, jnp.asarray(inside)


def number_counted(values: Array, counts: Array) -> Array:
    """How many of the taps along axis 0 count, in wide floats: narrow ones count only to 256."""
    every = jnp.broadcast_to(counts, (values.shape[0], *counts.shape[1:]))
    return every.sum(0, dtype=jnp.int32).astype(compute_dtype(values))


def tap_ranks(
    values: Float[Array, 'taps batch *out channels'], counts: Bool[Array, '#taps 1 *#out 1']
) -> Int[Array, 'taps batch *out channels']:
    """How many counted elements of the window come before each element in ascending order.

    Equal elements rank in row-major order; elements that do not count come after all others.
    Ranks come from comparing every pair of elements: XLA's sort is slower up to 7x7 windows, and
    its gradient scatters.

    >>> values = jnp.array([3.0, 1.0, 3.0]).reshape(3, 1, 1, 1)
    >>> tap_ranks(values, jnp.ones((1, 1, 1, 1), bool)).ravel().tolist()
    [1, 0, 2]
    """
    values = jnp.where(counts, lax.stop_gradient(values), np.inf)
    index = jnp.arange(values.shape[0]).reshape(-1, *(1,) * (values.ndim - 1))
    ranks = jnp.zeros(values.shape, jnp.int32)
    for i, value in enumerate(values):
        before = (value < values) | ((value == values) & (i < index))
        ranks += before.astype(jnp.int32)
    return ranks
