"""The average after the last convolution of a network."""

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops


class Average(nn.Module):
    """The mean over the map, or `size` x `size` means of nearly equal windows.

    >>> import jax
    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> Average().apply({}, x).shape, Average(2).apply({}, x).shape
    ((2, 3), (2, 2, 2, 3))
    """

    size: int | None = None

    def __call__(self, x: Float[Array, 'batch height width channels']) -> Float[Array, '...']:
        if self.size is None:
            return ops.global_avg_pool(x)
        return ops.adaptive_avg_pool(x, size=self.size)
