"""The learned activation of alias-free convolutional networks."""

import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.ops.lowpass import polynomial_activation


class PolynomialActivation(nn.Module):
    """`polynomial_activation` with coefficients for each channel (Michaeli et al., CVPR 2023).

    The defaults are the authors': a parabola near GELU between -2 and 2, with input and output
    scales of 7, all trained. The authors normalise before it and scale the weights down; after
    other layers a parabola of 7 x grows fast, so start with scales of 1 to be safe.

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
