"""Learned or input-dependent low-pass filters, followed by subsampling."""

import math
from collections.abc import Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import pad_axis
from cnn_jax.ops.blur import LARGEST_FILTER, Filter, binomial_filter, blur_pool, check_filter_size
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.taps import pad_windows, window_taps
from cnn_jax.ops.windows import (
    Fill,
    Windows,
    check_fill,
    per_axis,
    place_windows,
    require_arrays,
    spatial_rank,
)

Normalise = Literal['group', 'all']
EDGE_REACH = 2  # an edge is detected between the elements this far before and after


def binomial_logits(filter_size: int, rank: int) -> np.ndarray:
    """The logarithm of the binomial filter on `rank` axes; its softmax is the filter again.

    >>> np.exp(binomial_logits(3, 2)).round(4).tolist()
    [[0.0625, 0.125, 0.0625], [0.125, 0.25, 0.125], [0.0625, 0.125, 0.0625]]
    """
    row = np.log(binomial_filter(filter_size))
    total = row
    for _ in range(rank - 1):
        total = np.add.outer(total, row)
    return total


def learned_blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    logits: Float[Array, '...'],
    *,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *out channels']:
    """Blurs every channel with softmax(logits), then takes every `stride`-th element.

    `blur_pool` with a learned filter. `logits` has the shape of the filter, 1 to 7 on each spatial
    axis, and may have one more axis, channels. The softmax runs over the taps, so weights are
    above 0 and sum to 1: a constant image stays constant (except at a 'zero' border). Equal to
    `blur_pool` where logits = `binomial_logits`. An axis of length n becomes ceil(n / stride).
    The filter need not be separable, so its cost per element is the product of its sizes.

    Raises ValueError for logits of the wrong shape, an unknown fill, and a circular map smaller
    than the filter.

    >>> x = jnp.arange(1.0, 26.0).reshape(1, 5, 5, 1)
    >>> y = learned_blur_pool(x, jnp.asarray(binomial_logits(3, 2)))
    >>> np.asarray(y, np.float64)[0, :, :, 0].round(3).tolist()
    [[4.0, 5.5, 7.0], [11.5, 13.0, 14.5], [19.0, 20.5, 22.0]]
    """
    rank = spatial_rank(x)
    require_arrays(logits=logits)
    filter_size, channels = logits.shape[:rank], logits.shape[rank:]
    if (
        len(filter_size) < rank
        or max(filter_size) > LARGEST_FILTER
        or channels not in ((), x.shape[-1:])
    ):
        raise ValueError(
            f'logits must have {rank} filter axes of 1 to {LARGEST_FILTER}, and may have one of '
            f'{x.shape[-1]} channels; got shape {logits.shape}'
        )
    windows = blur_windows(x, filter_size, stride, padding)
    values, _ = window_taps(x, windows, padding)
    logits = at_least_float32(logits.reshape(math.prod(filter_size), *(1,) * (rank + 1), -1), x)
    return (jax.nn.softmax(logits, 0) * at_least_float32(values, logits)).sum(0).astype(x.dtype)


def adaptive_blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    logits: Float[Array, 'batch *out filters'],
    *,
    filter_size: int | Sequence[int] = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
    normalise: Normalise = 'group',
) -> Float[Array, 'batch *out channels']:
    """Blurs each element with a filter of its own (Zou et al., BMVC 2020), then subsamples.

    y(c, p) = sum_k w_g(c),k(p) x(c, p + k) at every `stride`-th position p. `logits` holds
    groups * taps values for each kept position: the taps of the first group in row-major order,
    then the next group's. Channels are split into `groups` equal runs, each sharing a filter. With
    normalise='group', w is the softmax of the logits over the taps of each group, so a constant
    image stays constant. 'all' takes it over all groups and taps, as the paper's code does: a
    constant image is divided by the number of groups. An axis of length n becomes ceil(n / stride).

    Raises ValueError for a filter size outside 1..7, logits of the wrong shape, a number of
    channels that is not a multiple of the groups, an unknown fill or normalisation, and a circular
    map smaller than the filter.

    >>> x, logits = jnp.ones((1, 4, 4, 8)), jnp.zeros((1, 2, 2, 4 * 9))
    >>> for normalise in ('group', 'all'):
    ...     y = adaptive_blur_pool(x, logits, normalise=normalise)
    ...     print(y.shape, round(float(y[0, 0, 0, 0]), 4))
    (1, 2, 2, 8) 1.0
    (1, 2, 2, 8) 0.25
    """
    windows = blur_windows(x, filter_size, stride, padding)
    require_arrays(logits=logits)
    taps, channels = math.prod(windows.window), x.shape[-1]
    groups, rest = divmod(logits.shape[-1], taps)
    if logits.shape[:-1] != (x.shape[0], *windows.out) or rest or groups < 1:
        raise ValueError(
            f'logits must be (batch, *out, groups * {taps}) with (batch, *out) = '
            f'{(x.shape[0], *windows.out)}; got {logits.shape}'
        )
    if channels % groups:
        raise ValueError(f'groups must divide the {channels} channels; got {groups}')
    if normalise not in ('group', 'all'):
        raise ValueError(f"normalise must be 'group' or 'all'; got {normalise!r}")
    logits = at_least_float32(logits.reshape(*logits.shape[:-1], groups, taps), x)
    weights = jax.nn.softmax(logits, -1 if normalise == 'group' else (-2, -1))
    weights = jnp.moveaxis(weights, -1, 0)[..., None]
    values, _ = window_taps(x, windows, padding)
    values = values.reshape(*values.shape[:-1], groups, channels // groups)
    y = (weights * at_least_float32(values, logits)).sum(0)
    return y.reshape(*y.shape[:-2], channels).astype(x.dtype)


def edge_aware_blur(
    x: Float[Array, 'batch *spatial channels'],
    *,
    filter_size: Filter = 3,
    edge_threshold: float = 1.25,
    edge_dilation: int = 3,
    eps: float = 1e-6,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *spatial channels']:
    """Binomial blur that leaves edges unchanged and keeps the size.

    An element is on an edge where, along any spatial axis, the mean over channels of
    log2(max(x, 0) + eps) differs by more than log2(edge_threshold) between the elements two before
    and two after it. Edges are dilated by a centred window of `edge_dilation`. On an edge the
    result is x, elsewhere `blur_pool` of x at stride 1. `edge_threshold` is a ratio of
    intensities: x is meant to be positive. Every step fills the border as `padding` says.

    This is the definition of kornia's `edge_aware_blur_pool2d`, and equals it where x >= 0 and
    `padding` is 'reflect'. Below zero kornia takes the logarithm of x + eps, which is NaN, and
    blurs there; here negative values count as zero in edge detection. A zero next to a positive
    value is an edge. No gradient flows through the detection of edges.

    Raises ValueError unless edge_threshold > 1, eps > 0 and edge_dilation is odd, and where
    `blur_pool` does.

    >>> x = jnp.array([1.0, 2, 1, 2, 1, 2, 9, 8, 9, 8, 9, 8]).reshape(1, 12, 1)
    >>> edge_aware_blur(x, edge_dilation=1)[0, :, 0].tolist()
    [1.5, 1.5, 1.5, 1.5, 1.0, 2.0, 9.0, 8.0, 8.5, 8.5, 8.5, 8.5]
    """
    blurred = blur_pool(x, filter_size=filter_size, stride=1, padding=padding)
    if not (isinstance(edge_threshold, int | float | np.number) and 1 < edge_threshold < math.inf):
        raise ValueError(f'edge_threshold must be a number above 1; got {edge_threshold!r}')
    if not (isinstance(eps, int | float | np.number) and 0 < eps < math.inf):
        raise ValueError(f'eps must be a number above 0; got {eps!r}')
    (dilation,) = per_axis('edge_dilation', edge_dilation, 1)
    if dilation % 2 == 0:
        raise ValueError(f'edge_dilation must be odd; got {edge_dilation!r}')
    levels = at_least_float32(lax.stop_gradient(x))
    spatial = range(1, x.ndim - 1)
    edges: Array = jnp.zeros((*x.shape[:-1], 1))
    for axis in spatial:
        steep = _contrast(levels, axis, eps, padding) > math.log2(edge_threshold)
        edges += steep.astype(edges.dtype)
    for axis in spatial:
        edges = pad_axis(edges, axis, dilation // 2, dilation // 2, padding)
    return jnp.where(max_pool(edges, window=dilation, stride=1) > 0, x, blurred)


def _contrast(x: Array, axis: int, eps: float, padding: Fill) -> Array:
    """The difference of log2 x across each element on one axis, averaged over channels."""
    size = x.shape[axis]
    levels = jnp.log2(jnp.maximum(pad_axis(x, axis, EDGE_REACH, EDGE_REACH, padding), 0) + eps)
    after = lax.slice_in_dim(levels, 2 * EDGE_REACH, 2 * EDGE_REACH + size, axis=axis)
    before = lax.slice_in_dim(levels, 0, size, axis=axis)
    return jnp.abs((after - before).mean(-1, keepdims=True))


def blur_windows(
    x: Array, filter_size: int | Sequence[int], stride: int | Sequence[int], padding: Fill
) -> Windows:
    """The checked windows of a filter: centred, at every `stride`-th element.

    >>> blur_windows(jnp.ones((1, 5, 1)), 4, 2, 'reflect').out
    (3,)
    """
    sizes = per_axis('filter_size', filter_size, spatial_rank(x))
    for size in sizes:
        check_filter_size(size)
    check_fill('padding', padding)
    if padding == 'circular' and any(k > n for k, n in zip(sizes, x.shape[1:-1], strict=True)):
        raise ValueError(
            f'circular padding needs a map at least as large as filter_size = {sizes}; '
            f'got {x.shape[1:-1]}'
        )
    return place_windows(x, sizes, stride, 'same', padding)


def blur_padded(
    x: Float[Array, 'batch *spatial channels'],
    *,
    filter_size: int | Sequence[int],
    padding: Fill,
) -> Float[Array, 'batch *padded channels']:
    """`x` with its border filled for a filter: (k - 1) // 2 elements before, k // 2 after.

    >>> blur_padded(jnp.arange(3.0).reshape(1, 3, 1), filter_size=4, padding='reflect').ravel()
    Array([1., 0., 1., 2., 1., 0.], dtype=float32)
    """
    return pad_windows(x, blur_windows(x, filter_size, 1, padding), padding, 0.0)
