"""The layer norm of alias-free convolutional networks."""

import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float


class MapLayerNorm(nn.Module):
    """Subtracts each position's mean over channels, divides by one deviation for the whole map.

    The norm that Michaeli et al. (CVPR 2023) call CHW2: y = (x - m) / sqrt(v + epsilon) * scale +
    bias, where m is the mean over channels and v the mean of (x - m)^2 over positions and channels,
    for each example. A layer norm that divides by the deviation at each position, as ConvNeXt's
    does, is a product of two maps: it widens the spectrum, and the next downsampling aliases.
    Statistics are in float32; there is one 'scale' and 'bias' per channel.

    >>> import jax
    >>> x = jnp.array([[0.0, 2.0], [0.0, 6.0]]).reshape(1, 1, 2, 2)  # deviations 1 and 3
    >>> y, _ = MapLayerNorm(epsilon=1e-6).init_with_output(jax.random.key(0), x)
    >>> y[0, 0, :, 1].round(3).tolist()
    [0.447..., 1.342...]
    """

    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *spatial channels']:
        scale = self.param('scale', nn.initializers.ones, x.shape[-1:], jnp.float32)
        bias = self.param('bias', nn.initializers.zeros, x.shape[-1:], jnp.float32)
        wide = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        centred = wide - wide.mean(-1, keepdims=True)
        axes = tuple(range(1, x.ndim))
        inverse = lax.rsqrt((centred**2).mean(axes, keepdims=True) + self.epsilon)
        return (centred * inverse * scale + bias).astype(x.dtype)
