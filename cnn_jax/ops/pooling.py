"""Max, average and sum pooling and plain subsampling, over any number of spatial axes."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import filter_axis, max_axis
from cnn_jax.ops.windows import Padding, output_size, padding_pairs, per_axis, spatial_rank


def _checked(
    x: Array, window: int | Sequence[int], stride: int | Sequence[int] | None, padding: Padding
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[int, int], ...]]:
    rank = spatial_rank(x)
    windows = per_axis('window', window, rank)
    strides = windows if stride is None else per_axis('stride', stride, rank)
    pairs = padding_pairs(padding, windows)
    output_size(x.shape[1:-1], window=windows, stride=strides, padding=pairs)
    return windows, strides, pairs


def _pad_with(x: Array, pairs: tuple[tuple[int, int], ...], value: float) -> Array:
    if not any(low or high for low, high in pairs):
        return x
    config = [(0, 0, 0), *((low, high, 0) for low, high in pairs), (0, 0, 0)]
    return lax.pad(x, jnp.asarray(value, x.dtype), config)


def max_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
) -> Float[Array, 'batch *out channels']:
    """The maximum of each window; padding never wins.

    At ties the first element in row-major order takes the whole gradient (ties are everywhere
    after a ReLU). Computed one axis at a time, last axis first, which keeps that order; see
    `cnn_jax.ops.axis` for why not `lax.reduce_window`. NaN in, NaN out.

    Raises ValueError where a window does not fit, or a padding is as wide as its window.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> max_pool(x, window=2)[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    windows, strides, pairs = _checked(x, window, stride, padding)
    for k, (low, high) in zip(windows, pairs, strict=True):
        if max(low, high) >= k:
            raise ValueError(f'padding {pairs} must be smaller than window {windows} on each side')
    x = _pad_with(x, pairs, -np.inf)
    for axis in range(len(windows), 0, -1):
        if windows[axis - 1] > 1 or strides[axis - 1] > 1:
            x = max_axis(x, axis, windows[axis - 1], strides[axis - 1])
    return x


def sum_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
) -> Float[Array, 'batch *out channels']:
    """The sum of each window; padding counts as zero.

    >>> sum_pool(jnp.ones((1, 4, 4, 1)), window=2)[0, :, :, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    windows, strides, pairs = _checked(x, window, stride, padding)
    x = _pad_with(x, pairs, 0.0)
    for axis, (k, s) in enumerate(zip(windows, strides, strict=True), start=1):
        x = filter_axis(x, axis, (1.0,) * k, s)
    return x


def avg_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    count_padding: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The mean of each window; with `count_padding` padded zeros count as elements.

    The default leaves padding out, so that a constant image stays constant at its borders (torch's
    `count_include_pad=False`; torch and Flax count it unless told otherwise).

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> avg_pool(x, window=2)[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    windows, strides, pairs = _checked(x, window, stride, padding)
    size = x.shape[1:-1]
    x = _pad_with(x, pairs, 0.0)
    for axis, (k, s) in enumerate(zip(windows, strides, strict=True), start=1):
        x = filter_axis(x, axis, (1.0 / k,) * k, s)
    if count_padding:
        return x
    for axis, (n, k, s, (low, high)) in enumerate(
        zip(size, windows, strides, pairs, strict=True), start=1
    ):
        if low or high:
            start = np.arange(x.shape[axis]) * s - low
            inside = np.minimum(start + k, n) - np.maximum(start, 0)
            if not inside.all():
                raise ValueError(f'padding {pairs} leaves windows {windows} with no element inside')
            shape = [1] * x.ndim
            shape[axis] = -1
            x = x * jnp.asarray(k / inside, x.dtype).reshape(shape)
    return x


def subsample(
    x: Float[Array, 'batch *spatial channels'], *, stride: int | Sequence[int]
) -> Float[Array, 'batch *out channels']:
    """Every `stride`-th element, from the first: no pooling at all. Size ceil(n / stride).

    >>> subsample(jnp.arange(5.0).reshape(1, 5, 1), stride=2)[0, :, 0].tolist()
    [0.0, 2.0, 4.0]
    """
    strides = per_axis('stride', stride, spatial_rank(x))
    for axis, s in enumerate(strides, start=1):
        x = filter_axis(x, axis, (1.0,), s)
    return x
