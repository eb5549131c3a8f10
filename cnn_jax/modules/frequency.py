"""Parameters of the operators in the frequency domain."""

import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.ops.diffstride import diffstride_pool
from cnn_jax.ops.lowpass import polynomial_activation


class DiffStridePool(nn.Module):
    """`diffstride_pool` with the learned strides of height and width, which start at `stride`.

    The output has ceil(n / stride) elements per axis, whatever is learned.

    Below the smallest stride that filters anything, 1 (or n / (n - 1) for an odd n), the parameter
    counts as its mirror image above it. Taken as 1 there, as the op does, it would have no gradient
    and stay for ever; the authors clamp the variable after each step.

    >>> import jax
    >>> x = jax.numpy.ones((2, 14, 14, 3))
    >>> y, variables = DiffStridePool().init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['strides'].tolist()
    ((2, 7, 7, 3), [2.0, 2.0])
    """

    stride: int = 2
    smoothness: float = 4.0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width channels']:
        strides = self.param('strides', nn.initializers.constant(float(self.stride)), (2,))
        least = jnp.array([n / (2 * (n // 2)) if n > 1 else 1.0 for n in x.shape[1:-1]])
        strides = jnp.where(strides < least, 2 * least - strides, strides)
        return diffstride_pool(x, strides, stride=self.stride, smoothness=self.smoothness)


class PolynomialActivation(nn.Module):
    """`polynomial_activation` with coefficients for each channel (Michaeli et al., CVPR 2023).

    The defaults are the authors': a parabola near GELU between -2 and 2, of input and output scale
    7, all trained. The authors normalise before it and scale the weights down; after other layers
    a parabola of 7 x grows fast, and scales of 1 are the safer start.

    >>> import jax
    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> variables = PolynomialActivation().init(jax.random.key(0), x)
    >>> jax.tree.map(jax.numpy.shape, variables['params'])
    {'coefficients': (3, 3), 'in_scale': (), 'out_scale': ()}
    """

    coefficients: tuple[float, ...] = (0.01694, 0.5, 0.30784)
    in_scale: float = 7.0
    out_scale: float = 7.0
    factor: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch height width channels']:
        start = np.tile(np.array(self.coefficients)[:, None], x.shape[-1])
        coefficients = self.param('coefficients', nn.initializers.constant(start), start.shape)
        return polynomial_activation(
            x,
            coefficients,
            in_scale=self.param('in_scale', nn.initializers.constant(self.in_scale), ()),
            out_scale=self.param('out_scale', nn.initializers.constant(self.out_scale), ()),
            factor=self.factor,
        )
