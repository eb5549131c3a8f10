"""Convolution with parameters."""

from collections.abc import Sequence

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.ops.windows import Padding


class Conv(nn.Module):
    """`ops.conv` with a kernel (He initialisation) and, unless `use_bias` is false, a bias.

    >>> import jax
    >>> x = jax.numpy.ones((2, 28, 28, 1))
    >>> y, variables = Conv(16, window=5).init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['kernel'].shape
    ((2, 28, 28, 16), (5, 5, 1, 16))
    """

    features: int
    window: int = 3
    stride: int | Sequence[int] = 1
    padding: Padding = 'same'
    use_bias: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        shape = (self.window, self.window, x.shape[-1], self.features)
        kernel = self.param('kernel', nn.initializers.he_normal(), shape)
        y = ops.conv(x, kernel.astype(x.dtype), stride=self.stride, padding=self.padding)
        if self.use_bias:
            bias = self.param('bias', nn.initializers.zeros, (self.features,))
            y = y + bias.astype(x.dtype)
        return y
