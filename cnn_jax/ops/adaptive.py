"""Pooling to a given output size, global pooling, and space to depth."""

from collections.abc import Callable, Sequence

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import merge_axis, split_axis
from cnn_jax.ops.linear import Arrays, with_tangent
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.windows import per_axis, spatial_rank


def adaptive_avg_pool(
    x: Float[Array, 'batch *spatial channels'], *, size: int | Sequence[int]
) -> Float[Array, 'batch *out channels']:
    """The mean of `size` nearly equal windows on each axis.

    Window i of m on an axis of n elements covers floor(i n / m) up to, not including,
    ceil((i + 1) n / m), as in torch: neighbours overlap by one where m does not divide n, and
    elements repeat where m > n.

    >>> adaptive_avg_pool(jnp.arange(5.0).reshape(1, 5, 1), size=2)[0, :, 0].tolist()
    [1.0, 3.0]
    """
    return _adaptive(avg_pool, x, size)


def adaptive_max_pool(
    x: Float[Array, 'batch *spatial channels'], *, size: int | Sequence[int]
) -> Float[Array, 'batch *out channels']:
    """The maximum of the windows of `adaptive_avg_pool`.

    >>> adaptive_max_pool(jnp.arange(5.0).reshape(1, 5, 1), size=2)[0, :, 0].tolist()
    [2.0, 4.0]
    """
    return _adaptive(max_pool, x, size)


def _adaptive(pool: Callable[..., Array], x: Array, size: int | Sequence[int]) -> Array:
    rank = spatial_rank(x)
    for axis in range(rank, 0, -1):  # last first: at ties max_pool's first element is row-major
        n, m = x.shape[axis], per_axis('size', size, rank)[axis - 1]
        window = [1] * rank
        if n % m == 0:
            window[axis - 1] = n // m
            x = pool(x, window=window)
            continue
        rows = []
        for i in range(m):
            start, stop = i * n // m, -(-(i + 1) * n // m)
            window[axis - 1] = stop - start
            rows.append(pool(lax.slice_in_dim(x, start, stop, axis=axis), window=window))
        x = lax.concatenate(rows, axis)
    return x


def global_avg_pool(
    x: Float[Array, 'batch *spatial channels'],
) -> Float[Array, 'batch channels']:
    """The mean of each channel (Lin, Chen & Yan 2014, "Network in Network", section 3.2).

    The sum over the map must stay in the range of float32, 3.4e38.

    >>> global_avg_pool(jnp.arange(4.0).reshape(1, 2, 2, 1)).tolist()
    [[1.5]]
    """
    rank = spatial_rank(x)
    return x.mean(tuple(range(1, 1 + rank)))


def global_max_pool(
    x: Float[Array, 'batch *spatial channels'],
) -> Float[Array, 'batch channels']:
    """The maximum of each channel; at ties the first element takes the whole gradient.

    >>> global_max_pool(jnp.arange(4.0).reshape(1, 2, 2, 1)).tolist()
    [[3.0]]
    """
    for _ in range(spatial_rank(x) - 1):
        x = merge_axis(x, 1)
    return _first_max(x)[0]


def _kept(arrays: Arrays, results: Arrays) -> Arrays:
    return [lax.stop_gradient(a) for a in (*arrays, *results)]


def _first(residuals: Arrays) -> Array:
    """The position of the first maximum: autodiff would split ties. A NaN counts as largest."""
    x, y = residuals
    position = jnp.arange(x.shape[1])[:, None]
    hit = (x == y[:, None]) | jnp.isnan(x)
    return position == jnp.where(hit, position, x.shape[1]).min(1, keepdims=True)


def _gather_first(residuals: Arrays, tangents: Arrays) -> Arrays:
    (dx,) = tangents
    return [jnp.where(_first(residuals), dx, jnp.zeros((), dx.dtype)).sum(1)]


def _scatter_first(residuals: Arrays, cotangents: Arrays) -> Arrays:
    (g,) = cotangents
    return [jnp.where(_first(residuals), g[:, None], jnp.zeros((), g.dtype))]


_first_max = with_tangent(lambda x: [x.max(1)], _kept, _gather_first, _scatter_first)


def space_to_depth(
    x: Float[Array, 'batch *spatial channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch *out more_channels']:
    """Each block of `stride` x `stride` elements becomes one element with all their channels.

    Nothing is lost: n becomes ceil(n / stride) and the channels grow by stride^rank, in the order
    (row in block, column in block, channel); torch.pixel_unshuffle puts the channel first. A size
    that is not a multiple of the stride is zero-padded at its high end.

    >>> space_to_depth(jnp.arange(4.0).reshape(1, 2, 2, 1))[0, 0, 0].tolist()
    [0.0, 1.0, 2.0, 3.0]
    """
    rank = spatial_rank(x)
    strides = per_axis('stride', stride, rank)
    pad = [(0, -n % s, 0) for n, s in zip(x.shape[1:-1], strides, strict=True)]
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *pad, (0, 0, 0)])
    for axis in reversed(range(rank)):
        x = split_axis(x, 1 + axis, strides[axis])
    order = [0, *range(1, 2 * rank, 2), *range(2, 2 * rank + 1, 2), 2 * rank + 1]
    x = x.transpose(order)
    for _ in range(rank):
        x = merge_axis(x, 1 + rank)
    return x
