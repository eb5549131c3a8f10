"""Pooling layers with parameters or randomness that weigh the elements of a window by value."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.ops.importance import Likeness, ada_pool, detail_preserving_pool, lip_logits, lip_pool
from cnn_jax.ops.ranked import ordinal_pool
from cnn_jax.ops.weighted import gem_pool, lse_pool, stochastic_pool
from cnn_jax.ops.windows import Padding, output_size


def _windows(module) -> dict:
    return {'window': module.window, 'stride': module.stride, 'padding': module.padding}


class GeMPool(nn.Module):
    """`gem_pool` with a learned power 'p', one for all channels or one each; not constrained.

    >>> y, variables = GeMPool().init_with_output(jax.random.key(0), jnp.ones((1, 4, 4, 2)))
    >>> y.shape, float(variables['params']['p'])
    ((1, 2, 2, 2), 3.0)
    """

    window: int = 2
    stride: int = 2
    p: float = 3.0
    per_channel: bool = False
    padding: Padding = 'valid'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        shape = x.shape[-1:] if self.per_channel else ()
        p = self.param('p', nn.initializers.constant(self.p), shape)
        return gem_pool(x, **_windows(self), p=p)


class LSEPool(nn.Module):
    """`lse_pool` with a learned sharpness 'r', one for all channels or one each; not constrained.

    >>> y, variables = LSEPool(r=5.0).init_with_output(jax.random.key(0), jnp.ones((1, 4, 4, 2)))
    >>> y.shape, float(variables['params']['r'])
    ((1, 2, 2, 2), 5.0)
    """

    window: int = 2
    stride: int = 2
    r: float = 10.0
    per_channel: bool = False
    padding: Padding = 'valid'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        shape = x.shape[-1:] if self.per_channel else ()
        r = self.param('r', nn.initializers.constant(self.r), shape)
        return lse_pool(x, **_windows(self), r=r)


class StochasticPool(nn.Module):
    """`stochastic_pool`; in training it draws from the random stream 'downsample'.

    >>> rngs = {'downsample': jax.random.key(0)}
    >>> x = jnp.ones((1, 4, 4, 2))
    >>> float(jnp.ptp(jnp.asarray(StochasticPool().apply({}, x, train=True, rngs=rngs))))
    0.0
    """

    window: int = 2
    stride: int = 2
    padding: Padding = 'valid'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool
    ) -> Float[Array, 'batch *out channels']:
        key = self.make_rng('downsample') if train else None
        return stochastic_pool(x, **_windows(self), train=train, key=key)


class LIPPool(nn.Module):
    """`lip_pool` with the logits of `lip_logits`: starts as average pooling.

    'kernel', the 3x3 convolution of the logits, starts at zero; its instance norm at 'scale' one
    and 'bias' zero. With this form at every site ResNet-50 has 41,082,280 parameters. The authors'
    has 23,864,232: it takes this form at the stem alone, and in strided blocks logits from a
    bottleneck of 128 features, which both branches share.

    >>> x = jnp.arange(9.0).reshape(1, 3, 3, 1)
    >>> y, variables = LIPPool().init_with_output(jax.random.key(0), x)
    >>> y[0, :, :, 0].round(4).tolist()
    [[2.0, 3.0], [5.0, 6.0]]
    """

    window: int = 3
    stride: int = 2
    padding: Padding = 'same'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width channels']:
        channels = x.shape[-1]
        kernel = self.param('kernel', nn.initializers.zeros, (3, 3, channels, channels))
        scale = self.param('scale', nn.initializers.ones, (channels,))
        bias = self.param('bias', nn.initializers.zeros, (channels,))
        logits = lip_logits(x, kernel, scale, bias)
        return lip_pool(x, logits, **_windows(self))


class DetailPreservingPool(nn.Module):
    """`detail_preserving_pool` with power e^'lambda' and bias e^'alpha' per channel.

    Both parameters start at zero, so power and bias at one; the authors' start uniform over
    +-1 / sqrt(channels). The variant 'full' learns a 3x3
    'kernel' per channel, which starts as an average.

    >>> x = jnp.ones((1, 5, 4, 2))
    >>> y, variables = DetailPreservingPool('full').init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['kernel'].shape
    ((1, 3, 2, 2), (3, 3, 2))
    """

    variant: Literal['lite', 'full'] = 'lite'
    symmetric: bool = True
    stride: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width channels']:
        channels = x.shape[-1]
        log_power = self.param('lambda', nn.initializers.zeros, (channels,))
        log_bias = self.param('alpha', nn.initializers.zeros, (channels,))
        kernel = None
        if self.variant == 'full':
            kernel = self.param('kernel', nn.initializers.constant(1 / 9), (3, 3, channels))
        return detail_preserving_pool(
            x,
            stride=self.stride,
            power=jnp.exp(log_power),
            bias=jnp.exp(log_bias),
            symmetric=self.symmetric,
            kernel=kernel,
        )


class AdaPool(nn.Module):
    """`ada_pool` with beta = sigmoid('beta'), which starts at one half.

    The authors' code starts beta normal and clamps it to [0, 1], and takes the likeness of each
    channel by itself, which is likeness='channel' here.

    With `per_location`, as in the paper, there is one beta per output location, so the layer works
    at the input size that it was initialised with and raises ValueError at others.

    >>> x = jnp.ones((1, 6, 4, 2))
    >>> y, variables = AdaPool().init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['beta'].shape
    ((1, 3, 2, 2), (3, 2))
    """

    window: int = 2
    stride: int = 2
    per_location: bool = True
    padding: Padding = 'valid'
    likeness: Likeness = 'vector'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width channels']:
        shape = output_size(x.shape[1:-1], **_windows(self))
        shape = shape if self.per_location else ()
        if self.has_variable('params', 'beta'):
            known = jnp.shape(self.get_variable('params', 'beta'))
            if known != shape:
                raise ValueError(
                    f'beta has one value per output location, of shape {known}; '
                    f'input {x.shape[1:-1]} needs {shape}: use per_location=False'
                )
        beta = self.param('beta', nn.initializers.zeros, shape)
        share = jax.nn.sigmoid(beta)
        return ada_pool(x, **_windows(self), beta=share, likeness=self.likeness)


class OrdinalPool(nn.Module):
    """`ordinal_pool` with weights softmax('logits') over the ranks: starts as average pooling.

    >>> y, variables = OrdinalPool().init_with_output(jax.random.key(0), jnp.ones((1, 4, 4, 2)))
    >>> y.shape, variables['params']['logits'].shape
    ((1, 2, 2, 2), (4, 2))
    """

    window: int = 2
    stride: int = 2
    per_channel: bool = True
    padding: Padding = 'valid'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width channels']:
        shape = (self.window**2, x.shape[-1]) if self.per_channel else (self.window**2,)
        logits = self.param('logits', nn.initializers.zeros, shape)
        weights = jax.nn.softmax(logits, axis=0)
        return ordinal_pool(x, weights, **_windows(self))
