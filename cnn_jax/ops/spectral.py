"""Pooling by cropping the spectrum to its low frequencies: spectral, FLC and ASAP pooling.

All three invert the cropped spectrum on a grid of m = ceil(n / stride) elements per axis, spaced
n / m apart. Where the stride divides n, that is every `stride`-th position.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.fourier import (
    apply_axis_matrices,
    axis_matrix,
    grid_size,
    one_sided_bins,
    real_part,
    symmetric_bins,
)
from cnn_jax.ops.windows import require_2d


def spectral_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    stride: int | Sequence[int] = 2,
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """Crops the centred spectrum to the output size (Rippel, Snoek & Adams 2015).

    Y[k] = X[k] for |k| < m / 2 per axis, with X = DFT(x) / n; y = sum_k Y[k] exp(2 pi i k p / m).
    The output has m = ceil(n / stride) elements per axis, or `size`, which may be any size up to
    that of the map. The mean is kept, so a constant stays the same constant at every size.

    Corner cases: for even m the bins +m/2 and -m/2 fall on one bin of the output, which holds
    their average, per axis. So the cropped spectrum is conjugate symmetric and the output exactly
    real. On one axis, and for the corners (m/2, 0) and (0, m/2) in 2-D, this is the paper's rule:
    keep the bin, set its imaginary part to zero. In the corner where both axes are at m/2 the
    paper takes one of four bins; the average favours none.

    Raises ValueError for an `x` that is not 2-D, a stride below 1 and a size outside 1 to the
    map's.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    >>> print(np.array(spectral_pool(x, stride=2)[0, :, :, 0], float).round(3))
    [[ 6.  7.]
     [10. 11.]]
    >>> spectral_pool(x, size=3).shape
    (1, 3, 3, 1)
    """
    require_2d('spectral_pool', x)
    rows, columns = (
        np.real(axis_matrix(n, np.arange(m) / m, *symmetric_bins(m)))[None]
        for n, m in zip(x.shape[1:-1], grid_size(x, stride, size), strict=True)
    )
    return apply_axis_matrices(x, rows, columns)


def flc_pool(
    x: Float[Array, 'batch height width channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch out_height out_width channels']:
    """FrequencyLowCut pooling (Grabinski et al., ECCV 2022): the real part of a cropped spectrum.

    Keeps bins -(m // 2) to ceil(m / 2) - 1 per axis, m = ceil(n / stride), and takes the real part
    of the inverse transform; 'forward' norm, so the mean is kept. For even m the Nyquist bin is
    kept on its negative side alone, as in the paper. That differs from `spectral_pool` only where
    both axes have even m < n: there Re(A x B^T) is not Re A x Re B^T.

    The paper's code crops [n/4, 3n/4) of the shifted spectrum, which is this where 4 divides n.
    Elsewhere it is off centre (constants change for n = 6, 10, 14, ...); here bin 0 is always in
    the middle, and odd sizes are rounded up.

    Raises ValueError for an `x` that is not 2-D and for a stride below 1.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    >>> print(np.array(flc_pool(x)[0, :, :, 0], float).round(3))
    [[ 6.  7.]
     [10. 11.]]
    """
    require_2d('flc_pool', x)
    rows, columns = (
        axis_matrix(n, np.arange(m) / m, one_sided_bins(m))
        for n, m in zip(x.shape[1:-1], grid_size(x, stride), strict=True)
    )
    return apply_axis_matrices(x, *real_part(rows, columns))


def asap_pool(
    x: Float[Array, 'batch height width channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch out_height out_width channels']:
    """Aliasing and sinc artifact-free pooling (Grabinski et al. 2023): a Hamming window, then FLC.

    The spectrum is multiplied by sqrt(h(k_height) h(k_width)) before `flc_pool` crops it, where h
    is the Hamming window over all n bins of the axis: h(k) = 0.54 + 0.46 cos(2 pi k / n). The crop
    at stride 2 ends where h is 0.54.

    The window's maximum, exactly 1, is at bin 0, so a constant stays the same constant. The
    authors' code takes the window from numpy.hamming, whose centre is half a bin off for even n
    (constants then shrink a little, and bins k and -k get different weights), and swaps height
    and width by default; neither is done here.

    Raises ValueError for an `x` that is not 2-D and for a stride below 1.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    >>> print(np.array(asap_pool(x)[0, :, :, 0], float).round(3))
    [[ 6.663  7.398]
     [ 9.602 10.337]]
    """
    require_2d('asap_pool', x)
    rows, columns = (
        axis_matrix(n, np.arange(m) / m, one_sided_bins(m), _root_hamming(one_sided_bins(m) / n))
        for n, m in zip(x.shape[1:-1], grid_size(x, stride), strict=True)
    )
    return apply_axis_matrices(x, *real_part(rows, columns))


def _root_hamming(frequencies: np.ndarray) -> np.ndarray:
    return np.sqrt(0.54 + 0.46 * np.cos(2 * np.pi * frequencies))
