"""Upsampling that undoes adaptive and learned polyphase sampling (APS-U and LPU)."""

from collections.abc import Sequence

from jaxtyping import Array, Float, Int

from cnn_jax.ops.banded import AxisFilter, banded
from cnn_jax.ops.blur import binomial_filter
from cnn_jax.ops.learned_polyphase import lps_unpool
from cnn_jax.ops.phases import check_blur, two_strides
from cnn_jax.ops.polyphase import aps_unpool
from cnn_jax.ops.windows import Fill


def aps_upsample(
    y: Float[Array, 'batch height width channels'],
    index: Int[Array, ' batch'],
    *,
    stride: int | Sequence[int] = 2,
    filter_size: int = 3,
    padding: Fill = 'circular',
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """`aps_unpool`, then the binomial filter times stride^2 (Chaman & Dokmanic, Asilomar 2021).

    `index` is the component that `aps_pool` took, so that with 'circular' padding and sizes that
    are multiples of the stride, the way down and up again commutes with every circular shift. The
    factor keeps the mean. An even filter reads one element more before than after, as in
    `upsample_blur`, which this equals for index 0. Filter size 1 leaves the zeros.

    Raises ValueError for a filter size outside 1..7 or, with 'circular', above the size of the
    result, and for an index or a size that `aps_unpool` would refuse.

    >>> import jax.numpy as jnp
    >>> y = aps_upsample(jnp.ones((1, 2, 2, 1)), jnp.array([3]))
    >>> float(y.min()), float(y.max()), y.shape
    (1.0, 1.0, (1, 4, 4, 1))
    """
    return _smooth(aps_unpool(y, index, stride=stride, size=size), stride, filter_size, padding)


def lps_upsample(
    y: Float[Array, 'batch height width channels'],
    weights: Float[Array, 'batch phases'],
    *,
    stride: int | Sequence[int] = 2,
    filter_size: int = 3,
    padding: Fill = 'circular',
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """`lps_unpool`, then the filter of `aps_upsample`: LPU (Rojas-Gomez et al., NeurIPS 2022).

    `weights` are those with which `lps_pool` mixed the components; gradients reach them too.

    >>> import jax.numpy as jnp
    >>> y = lps_upsample(jnp.ones((1, 2, 2, 1)), jnp.array([[0.0, 0.5, 0.5, 0.0]]))
    >>> float(y.min()), float(y.max()), y.shape
    (1.0, 1.0, (1, 4, 4, 1))
    """
    return _smooth(lps_unpool(y, weights, stride=stride, size=size), stride, filter_size, padding)


def _smooth(x: Array, stride: int | Sequence[int], filter_size: int, padding: Fill) -> Array:
    check_blur(x, filter_size, padding)
    filters = []
    for n, s in zip(x.shape[1:-1], two_strides(stride), strict=True):
        weights = tuple(s * weight for weight in binomial_filter(filter_size))
        pair = filter_size // 2, (filter_size - 1) // 2
        filters.append(AxisFilter(n, weights, 1, pair, n, padding))
    return banded(x, filters)
