"""Linear operators of one axis, given in the frequency domain and applied as real matrices.

A filter, crop or resampling of the discrete Fourier transform is linear, so along one axis it is a
small matrix. It is built here once per trace, in NumPy float64, and applied as one matrix product
per axis: exact at every size, and its gradient is the product with the transpose. No complex
numbers enter the compiled program.

Bin k of an axis of n elements is the frequency of k cycles over the axis. The forward transform
divides by n (the 'forward' norm), so bin 0 is the mean, and an operator that keeps it maps a
constant to the same constant, whatever the output size. The map is taken as periodic.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.floats import compute_dtype
from cnn_jax.ops.windows import per_axis

Matrices = np.ndarray | Array  # (terms, out, in)


def grid_size(
    x: Array, stride: int | Sequence[int], size: int | Sequence[int] | None = None
) -> tuple[int, ...]:
    """The output size: `size` for each spatial axis, or ceil(n / stride) where that is None.

    >>> grid_size(jnp.zeros((1, 28, 7, 1)), 2)
    (14, 4)
    """
    strides = per_axis('stride', stride, x.ndim - 2)
    if size is None:
        return tuple(-(-n // s) for n, s in zip(x.shape[1:-1], strides, strict=True))
    sizes = per_axis('size', size, x.ndim - 2)
    if any(m > n for m, n in zip(sizes, x.shape[1:-1], strict=True)):
        raise ValueError(f'size must be at most the feature map {x.shape[1:-1]}; got {size}')
    return sizes


def one_sided_bins(size: int) -> np.ndarray:
    """The `size` lowest bins in order; an even size has -size/2 but not +size/2.

    >>> one_sided_bins(4).tolist(), one_sided_bins(5).tolist()
    ([-2, -1, 0, 1], [-2, -1, 0, 1, 2])
    """
    return np.arange(size) - size // 2


def symmetric_bins(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Bins -size//2 to size//2 and their weights: 1, but 1/2 for both ends of an even size.

    On a grid of `size` elements both ends are the same bin, the Nyquist bin. Weights of 1/2 keep
    the operator conjugate symmetric, hence real.

    >>> [values.tolist() for values in symmetric_bins(4)]
    [[-2, -1, 0, 1, 2], [0.5, 1.0, 1.0, 1.0, 0.5]]
    """
    bins = np.arange(-(size // 2), size // 2 + 1)
    return bins, np.where(2 * np.abs(bins) == size, 0.5, 1.0)


def axis_matrix(
    size: int, positions: np.ndarray, bins: np.ndarray, weights: np.ndarray | float = 1.0
) -> np.ndarray:
    """The complex (positions, size) matrix that filters an axis and samples the result.

    Entry (i, j) is 1/size * sum_k weights_k exp(2 pi i k (positions_i - j / size)): transform the
    axis, weight the bins, and evaluate the trigonometric polynomial at `positions`, given as
    fractions of the axis.

    >>> np.round(axis_matrix(4, np.arange(2) / 2, np.array([-1, 0, 1])).real, 2).tolist()
    [[0.75, 0.25, -0.25, 0.25], [-0.25, 0.25, 0.75, 0.25]]
    """
    analysis = np.exp(-2j * np.pi * np.outer(bins, np.arange(size)) / size) / size
    return np.exp(2j * np.pi * np.outer(positions, bins)) * weights @ analysis


def real_part(rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Real matrices of the two axes whose products sum to Re(rows x columns^T), for a real x.

    Re(A x B^T) = Re A x Re B^T - Im A x Im B^T. The second term is left out where it is zero, that
    is, where either axis keeps its bins in conjugate pairs.
    """
    a, b = np.real(rows), np.real(columns)
    c, d = np.imag(rows), np.imag(columns)
    if min(np.abs(c).max(), np.abs(d).max()) < 1e-12:
        return a[None], b[None]
    return np.stack([a, -c]), np.stack([b, d])


def apply_axis_matrices(
    x: Float[Array, 'batch height width channels'], rows: Matrices, columns: Matrices
) -> Float[Array, 'batch out_height out_width channels']:
    """The sum over terms t of rows[t] x columns[t]^T, for each image and channel.

    Computed in float32 at least and at full precision on every device; the dtype of `x` is kept.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> mean, same = jnp.full((1, 1, 2), 0.5), jnp.eye(2)[None]
    >>> apply_axis_matrices(x, mean, same)[0, :, :, 0].tolist()
    [[1.0, 2.0]]
    """
    dtype = compute_dtype(x)
    y = jnp.einsum(
        'tph,bhwc->btpwc',
        jnp.asarray(rows, dtype),
        x.astype(dtype),
        precision=lax.Precision.HIGHEST,
    )
    y = jnp.einsum(
        'tqw,btpwc->bpqc', jnp.asarray(columns, dtype), y, precision=lax.Precision.HIGHEST
    )
    return y.astype(x.dtype)
