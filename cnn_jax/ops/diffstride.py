"""Pooling in the frequency domain with a learned, real stride (Riad et al., ICLR 2022)."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.floats import compute_dtype
from cnn_jax.ops.fourier import apply_axis_matrices, grid_size, symmetric_bins
from cnn_jax.ops.windows import require_2d, require_arrays


def diffstride_pool(
    x: Float[Array, 'batch height width channels'],
    strides: Float[Array, '2'],
    *,
    stride: int | Sequence[int] = 2,
    size: int | Sequence[int] | None = None,
    smoothness: float = 4.0,
) -> Float[Array, 'batch out_height out_width channels']:
    """Low-pass filter with a differentiable cutoff, sampled on a fixed grid.

    Bin k of an axis of n elements is multiplied by clip((R + n / (2 S) - |k|) / R, 0, 1): 1 up to
    the Nyquist frequency n / (2 S) of a grid S times as coarse, then down to 0 over the next
    R = `smoothness` bins. `strides` holds the learned S of height and width; values below 1 count
    as 1. The gradient reaches S through the bins on the ramp; at 1 and below there are none.

    This is not the layer of the authors' code. There the output size follows S: the output holds
    the bins where the mask is not 0, about n / S + 2 R per axis, which no compiled program can do.
    Here it has m = ceil(n / stride) elements per axis, or `size` (up to the map's), n / m apart,
    whatever S is. Where m is less than n / S + 2 R, the bins beyond the grid fold back (alias) as
    far as the mask lets them through, and S decides how far that is; if they were cut off instead,
    S would have almost no gradient at its initial value, S = `stride`. On a 14x14 map at
    S = `stride` = 2 and R = 4, bin 6 folds onto bin 1 with the amplitude of its mask; the authors'
    output does not shrink there and does not alias. Where m is at least n / S + 2 R nothing folds,
    but the outputs still differ: their mask is one bin wider along the width and asymmetric along
    the height (here it is the same for k and -k on both axes), and their values carry a gain of
    (n / m)^2 (here constants are kept). They use one such layer for each residual block, before its
    norm and ReLU.

    A constant stays the same constant; the mean of any map is kept where n / (2 S) + R is at most
    m, so that nothing folds onto bin 0.

    Raises ValueError for an `x` that is not 2-D, `strides` that are not two numbers, a stride below
    1, a size outside 1 to the map's, and a smoothness that is not above 0.

    >>> x = jnp.array([0.0, 0, 1, 1, 0, 0, 1, 1]).reshape(1, 1, 8, 1)
    >>> for s in (2.0, 3.0, 8.0):
    ...     y = diffstride_pool(x, jnp.array([1.0, s]), smoothness=1.0)
    ...     print(np.array(y[0, 0, :, 0], float).round(3) + 0)
    [0. 1. 0. 1.]
    [0.333 0.667 0.333 0.667]
    [0.5 0.5 0.5 0.5]
    """
    require_2d('diffstride_pool', x)
    require_arrays(strides=strides)
    if strides.shape != (2,):
        raise ValueError(f'strides must be 2 numbers, height and width; got shape {strides.shape}')
    if (
        isinstance(smoothness, bool)
        or not isinstance(smoothness, int | float | np.number)
        or not 0 < smoothness < math.inf
    ):
        raise ValueError(f'smoothness must be a finite number above 0; got {smoothness!r}')
    dtype = compute_dtype(x)
    rows, columns = (
        _masked_matrix(n, m, strides[axis].astype(dtype), smoothness)[None]
        for axis, (n, m) in enumerate(zip(x.shape[1:-1], grid_size(x, stride, size), strict=True))
    )
    return apply_axis_matrices(x, rows, columns)


def _masked_matrix(
    n: int, m: int, stride: Float[Array, ''], smoothness: float
) -> Float[Array, 'out size']:
    """The matrix of one axis: weighted bins, sampled at m positions.

    Bins k and -k have equal weights, so together they are
    2 cos(2 pi k (p - j / n)) = 2 (cos 2 pi k p cos 2 pi k j / n + sin 2 pi k p sin 2 pi k j / n).
    """
    both, halves = symmetric_bins(n)
    bins, counts = both[n // 2 :], np.where(both == 0, 0.5, halves)[n // 2 :] * 2 / n
    read = 2 * np.pi * np.outer(np.arange(m) / m, bins)
    transform = 2 * np.pi * np.outer(bins, np.arange(n) / n)
    cutoff = n / (2 * jnp.maximum(stride, 1))
    mask = jnp.clip((smoothness + cutoff - bins.astype(stride.dtype)) / smoothness, 0, 1)
    weights = jnp.asarray(counts, stride.dtype) * mask
    return jnp.matmul(
        jnp.asarray(np.hstack([np.cos(read), np.sin(read)]), stride.dtype)
        * jnp.concatenate([weights, weights]),
        jnp.asarray(np.vstack([np.cos(transform), np.sin(transform)]), stride.dtype),
        precision=lax.Precision.HIGHEST,
    )
