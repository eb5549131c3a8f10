"""One step of the Haar wavelet transform."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnn_jax.ops.adaptive import space_to_depth
from cnn_jax.ops.windows import spatial_rank


def haar_bands(x: Float[Array, 'batch *spatial channels']) -> Float[Array, 'batch *out bands']:
    """The bands of one step of the Haar transform along every axis, side by side as channels.

    Mallat 1989 (PAMI 11(7)), with Haar's filters (1, 1) / sqrt(2) and (1, -1) / sqrt(2): an
    orthogonal map of what `space_to_depth` holds. In two dimensions the bands are low-low (twice
    the 2x2 average), low-high, high-low and high-high, rows first, each with all channels. Odd
    sizes are zero-padded at their high end.

    >>> x = jnp.array([[1.0, 2.0], [3.0, 5.0]]).reshape(1, 2, 2, 1)
    >>> haar_bands(x)[0, 0, 0].tolist()
    [5.5, -1.5, -2.5, 0.5]
    """
    rank = spatial_rank(x)
    blocks = space_to_depth(x, stride=2)
    bands = jnp.split(blocks, 2**rank, axis=-1)  # by position in the block, rows first
    for axis in range(rank):
        step = 2 ** (rank - 1 - axis)
        for place in range(2**rank):
            if not place & step:
                low, high = bands[place], bands[place + step]
                bands[place], bands[place + step] = low + high, low - high
    return jnp.concatenate(bands, axis=-1) * 2 ** (-rank / 2)
