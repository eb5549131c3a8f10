"""The layer that calls an upsampling, and the transposed convolution that one of them needs."""

from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.errors import BadInput
from cnn_jax.layers.conv import Conv
from cnn_jax.ops.sums import add_bias
from cnn_jax.ops.windows import Fill
from cnn_jax.strategies import Choice, Upsampling


class ConvTranspose(nn.Module):
    """`ops.conv_transpose` with a kernel and, unless `use_bias` is false, a bias.

    A `start` of 'he' draws from N(0, 2 / inputs of one output); 'bilinear' interpolates each
    channel, so channels and features must be as many.

    >>> import jax
    >>> x = jax.numpy.ones((2, 8, 8, 16))
    >>> y, variables = ConvTranspose(4, window=2).init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['kernel'].shape
    ((2, 16, 16, 4), (2, 2, 16, 4))
    """

    features: int
    window: int = 2
    stride: int = 2
    fill: Fill = 'zero'
    use_bias: bool = True
    start: Literal['he', 'bilinear'] = 'he'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        shape = (self.window, self.window, x.shape[-1], self.features)
        if self.start == 'he':
            scale = 2.0 * self.stride**2  # of window^2 elements, window^2 / stride^2 meet an output
            init = nn.initializers.variance_scaling(scale, 'fan_in', 'truncated_normal')
        elif shape[2] == shape[3]:
            init = nn.initializers.constant(ops.bilinear_kernel(self.window, self.features))
        else:
            raise BadInput(
                f'layer {"/".join(self.path)}: a bilinear start needs as many features as '
                f"channels; got {shape[2]} and {shape[3]}: take start='he'."
            )
        kernel = self.param('kernel', init, shape, jnp.float32).astype(x.dtype)
        y = ops.conv_transpose(x, kernel, stride=self.stride, fill=self.fill)
        if self.use_bias:
            y = add_bias(y, self.param('bias', nn.initializers.zeros, (self.features,)))
        return y


class Upsample(nn.Module):
    """Upsamples by `factor` to `features`, undoing what a strategy chose.

    Before an upsampling that does not map features itself comes a 1x1 convolution ('conv') where
    the channels are not `features` already: on the smaller map it is cheapest, and a linear
    upsampling gives the same after as before it. Give it what `Upsampling.beside` returns.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.layers import DownsampleWithChoice
    >>> from cnn_jax.strategies import APS, Matching
    >>> x = jnp.ones((1, 8, 8, 3))
    >>> y, choice = DownsampleWithChoice(APS()).apply({}, x, train=False)
    >>> layer = Upsample(Matching().beside(APS()), features=3)
    >>> layer.apply({}, y, choice).shape
    (1, 8, 8, 3)
    """

    upsampling: Upsampling
    features: int
    factor: int = 2
    fill: Fill = 'zero'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], choice: Choice | None = None
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        if not self.upsampling.MAPS_FEATURES and x.shape[-1] != self.features:
            x = Conv(self.features, 1, name='conv')(x)
        try:
            return self.upsampling(x, factor=self.factor, choice=choice, layer=self)
        except ValueError as error:
            name = f'layer {"/".join(self.path) or "Upsample"} ({self.upsampling})'
            raise BadInput(f'{name}: input {x.shape[1:-1]}: {error}') from error

    def conv_transpose(
        self,
        x: Float[Array, 'batch height width channels'],
        *,
        window: int,
        stride: int,
        start: Literal['he', 'bilinear'],
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        """A transposed convolution ('conv') to `features`, for upsamplings that learn."""
        return ConvTranspose(
            self.features,
            window=window,
            stride=stride,
            fill=self.fill,
            use_bias=start == 'he',
            start=start,
            name='conv',
        )(x)
