"""Where a map is highest, as a differentiable mean."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.windows import spatial_rank


def soft_argmax(
    x: Float[Array, 'batch *spatial channels'],
) -> Float[Array, 'batch channels rank']:
    """The mean position of each channel's softmax over space, in elements, from 0 at the first.

    With two spatial axes (y, x), that is row and column. The mean over a whole map is drawn to its
    centre unless one peak holds nearly all weight (Luvizon et al. 2017, arXiv:1710.02322, section
    3.2; Nibali et al. 2018, arXiv:1801.07372). The largest value is subtracted first, so that no
    exponential overflows.

    >>> x = jnp.full((1, 4, 6, 1), -50.0).at[0, 2, 3, 0].set(0.0).at[0, 2, 4, 0].set(0.0)
    >>> soft_argmax(x).tolist()
    [[[2.0, 3.5]]]
    """
    axes = tuple(range(1, 1 + spatial_rank(x)))
    weights = jax.nn.softmax(at_least_float32(x), axis=axes)
    means = []
    for axis in axes:
        share = weights.sum([other for other in axes if other != axis])  # (batch, n, channels)
        place = jnp.arange(share.shape[1], dtype=share.dtype)[:, None]
        means.append((share * place).sum(1))
    return jnp.stack(means, -1).astype(x.dtype)
