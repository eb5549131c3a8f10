"""Batch normalisation with parameters and running statistics."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.ops.batch_norm import normalise
from cnn_jax.ops.compiled import is_symbolic

MOMENTUM = 0.9  # of the running statistics


class BatchNorm(nn.Module):
    """`ops.batch_norm`; with `use_running_average`, the running statistics replace the batch's.

    Parameters 'scale' and 'bias' and batch_stats 'mean' and 'var', named as in Flax, all float32.
    In training, which needs `mutable=['batch_stats']`, the running statistics move by a tenth
    toward those of the batch, whose variance is biased (divided by the number of elements). An
    empty batch leaves them unchanged.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> x = jnp.arange(4.0).reshape(4, 1, 1, 1)
    >>> norm = BatchNorm(use_running_average=False)
    >>> variables = norm.init(jax.random.key(0), x)
    >>> y, state = norm.apply(variables, x, mutable=['batch_stats'])
    >>> [f'{value:.2f}' for value in y.ravel()], f"{state['batch_stats']['mean'][0]:.2f}"
    (['-1.34', '-0.45', '0.45', '1.34'], '0.15')
    """

    use_running_average: bool
    epsilon: float = 1e-5

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *spatial channels']:
        size = x.shape[-1:]
        scale = self.param('scale', nn.initializers.ones, size, jnp.float32)
        bias = self.param('bias', nn.initializers.zeros, size, jnp.float32)
        running_mean = self.variable('batch_stats', 'mean', jnp.zeros, size, jnp.float32)
        running_variance = self.variable('batch_stats', 'var', jnp.ones, size, jnp.float32)
        if self.use_running_average:
            statistics = running_mean.value, running_variance.value
            return normalise(x, *statistics, scale, bias, self.epsilon)
        y, mean, variance = ops.batch_norm(x, scale, bias, epsilon=self.epsilon)
        empty = not is_symbolic(x) and x.shape[0] == 0
        if not self.is_initializing() and not empty:
            for running, new in ((running_mean, mean), (running_variance, variance)):
                running.value = MOMENTUM * running.value + (1 - MOMENTUM) * new
        return y
