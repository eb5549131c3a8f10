"""Alias-free downsampling and activation with ideal filters (Michaeli et al., CVPR 2023)."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.floats import compute_dtype
from cnn_jax.ops.fourier import apply_axis_matrices, axis_matrix, symmetric_bins
from cnn_jax.ops.windows import per_axis, require_2d, require_arrays


def ideal_lowpass(
    x: Float[Array, 'batch height width channels'], *, cutoff: float
) -> Float[Array, 'batch height width channels']:
    """Zeroes every bin k of an axis of n elements with |k| >= cutoff * n / 2.

    `cutoff` is a fraction of the highest frequency, above 0 and at most 1; 1 changes nothing. The
    bin that lies exactly on the cutoff, which would be the Nyquist bin after subsampling by
    1 / cutoff, is zeroed too. Commutes with every circular shift. The mean is kept.

    Raises ValueError for an `x` that is not 2-D and for a cutoff outside its range.

    >>> x = jnp.array([1.0, 0, 0, 0, 0, 0, 0, 0]).reshape(1, 8, 1, 1)
    >>> print(np.array(ideal_lowpass(x, cutoff=0.5)[0, :, 0, 0], float).round(3))
    [ 0.375  0.302  0.125 -0.052 -0.125 -0.052  0.125  0.302]
    """
    require_2d('ideal_lowpass', x)
    if (
        isinstance(cutoff, bool)
        or not isinstance(cutoff, int | float | np.number)
        or not 0 < cutoff <= 1
    ):
        raise ValueError(f'cutoff must be a number above 0 and at most 1; got {cutoff!r}')
    rows, columns = (_lowpass_matrix(n, cutoff, 1)[None] for n in x.shape[1:-1])
    return apply_axis_matrices(x, rows, columns)


def afc_pool(
    x: Float[Array, 'batch height width channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch out_height out_width channels']:
    """`ideal_lowpass` at cutoff 1 / stride, then every `stride`-th element (Michaeli et al. 2023).

    y = ideal_lowpass(x)[::stride], of ceil(n / stride) elements per axis. Where the stride divides
    n there is no aliasing: the output of a circularly shifted map, by any whole or fractional
    number of pixels, is the shifted output (shifts between the kept pixels interpolate it ideally),
    and the magnitude of its spectrum stays the same. At other sizes the kept pixels are not evenly
    spaced on the periodic map, and neither holds. Constants stay the same at every size.

    Raises ValueError for an `x` that is not 2-D and for a stride below 1.

    >>> x = jnp.array([1.0, 0, 0, 0, 0, 0, 0, 0]).reshape(1, 8, 1, 1)
    >>> print(np.array(afc_pool(x)[0, :, 0, 0], float).round(3))
    [ 0.375  0.125 -0.125  0.125]
    """
    require_2d('afc_pool', x)
    rows, columns = (
        _lowpass_matrix(n, 1 / s, s)[None]
        for n, s in zip(x.shape[1:-1], per_axis('stride', stride, 2), strict=True)
    )
    return apply_axis_matrices(x, rows, columns)


def _lowpass_matrix(size: int, cutoff: float, stride: int) -> np.ndarray:
    """The (ceil(size / stride), size) matrix of the ideal low-pass filter and subsampling."""
    bins, weights = symmetric_bins(size)
    if cutoff < 1:
        ties = 1e-6  # of a bin: a bin on the cutoff is removed, however the float is rounded
        weights = weights * (np.abs(bins) < size * cutoff / 2 - ties)
    return np.real(axis_matrix(size, np.arange(0, size, stride) / size, bins, weights))


def ideal_upsample(
    x: Float[Array, 'batch height width channels'], *, factor: int | Sequence[int] = 2
) -> Float[Array, 'batch out_height out_width channels']:
    """Samples the map's trigonometric interpolation on a grid `factor` times as fine.

    Every `factor`-th element of the result is an element of `x`. For even n the Nyquist bin is
    split in half between the bins +n/2 and -n/2 of the finer grid.

    Raises ValueError for an `x` that is not 2-D and for a factor below 1.

    >>> x = jnp.array([2.0, 1, 1, 1]).reshape(1, 1, 4, 1)
    >>> print(np.array(ideal_upsample(x, factor=(1, 2))[0, 0, :, 0], float).round(3))
    [2.    1.604 1.    0.896 1.    0.896 1.    1.604]
    """
    require_2d('ideal_upsample', x)
    rows, columns = (
        np.real(axis_matrix(n, np.arange(n * f) / (n * f), *symmetric_bins(n)))[None]
        for n, f in zip(x.shape[1:-1], per_axis('factor', factor, 2), strict=True)
    )
    return apply_axis_matrices(x, rows, columns)


def polynomial_activation(
    x: Float[Array, 'batch height width channels'],
    coefficients: Float[Array, 'terms channels'],
    *,
    in_scale: Float[Array, ''] | float = 1.0,
    out_scale: Float[Array, ''] | float = 1.0,
    factor: int = 2,
) -> Float[Array, 'batch height width channels']:
    """A polynomial of each element, computed on a finer grid so that it does not alias.

    out_scale * sum_j coefficients[j, c] (in_scale x)^j on `ideal_upsample(x, factor)`, then
    `afc_pool` by `factor` (Michaeli et al. 2023, with degree 2 and factor 2). A polynomial of
    degree d widens the spectrum d times, so the result is free of aliasing for d up to
    2 * factor - 1. The Nyquist bin of an even map is removed.

    Raises ValueError for an `x` that is not 2-D, for a factor below 1 and for coefficients that
    are not (degree + 1, channels).

    >>> x = jnp.array([1.0, 2.0, 3.0]).reshape(1, 1, 3, 1)
    >>> square = jnp.array([[0.0], [0.0], [1.0]])
    >>> print(np.array(polynomial_activation(x, square)[0, 0, :, 0], float).round(3))
    [0.667 4.667 8.667]
    """
    require_2d('polynomial_activation', x)
    require_arrays(coefficients=coefficients)
    if coefficients.ndim != 2 or coefficients.shape[0] < 1 or coefficients.shape[1] != x.shape[-1]:
        raise ValueError(
            f'coefficients must be (degree + 1, {x.shape[-1]}), a column for each channel; '
            f'got shape {coefficients.shape}'
        )
    dtype = compute_dtype(x)
    z = ideal_upsample(x.astype(dtype), factor=factor) * jnp.asarray(in_scale, dtype)
    *lower, top = coefficients.astype(dtype)
    y = jnp.broadcast_to(top, z.shape)
    for coefficient in reversed(lower):
        y = y * z + coefficient
    return afc_pool(y * jnp.asarray(out_scale, dtype), stride=factor).astype(x.dtype)
