"""Convolution with parameters."""

from collections.abc import Sequence

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.errors import BadInput
from cnn_jax.ops.sums import add_bias
from cnn_jax.ops.windows import Fill, Padding, per_axis


def channels_first_hint(shape: Sequence[int], channels: int) -> str:
    """What to do with an array that looks like (batch, channels, height, width); '' for others.

    >>> channels_first_hint((8, 3, 32, 32), 3)
    ': if it is (batch, channels, height, width), give jnp.transpose(x, (0, 2, 3, 1))'
    >>> channels_first_hint((8, 32, 32, 1), 3)
    ''
    """
    if len(shape) != 4 or shape[1] != channels:
        return ''
    return ': if it is (batch, channels, height, width), give jnp.transpose(x, (0, 2, 3, 1))'


class Conv(nn.Module):
    """`ops.conv` with a kernel (He initialisation) and, unless `use_bias` is false, a bias.

    Raises BadInput where its kernel was made for a different number of channels.

    >>> import jax
    >>> x = jax.numpy.ones((2, 28, 28, 1))
    >>> y, variables = Conv(16, window=5).init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['kernel'].shape
    ((2, 28, 28, 16), (5, 5, 1, 16))
    """

    features: int
    window: int | Sequence[int] = 3
    stride: int | Sequence[int] = 1
    padding: Padding = 'same'
    fill: Fill = 'zero'
    groups: int = 1
    strict: bool = False
    use_bias: bool = True
    bias_start: float = 0.0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        layer, channels = f'layer {"/".join(self.path) or "Conv"}', x.shape[-1]
        if self.has_variable('params', 'kernel'):
            known = self.get_variable('params', 'kernel').shape[2] * self.groups
            if known != channels:
                raise BadInput(
                    f'{layer} was made for {known} channels; its input has {channels}'
                    f'{channels_first_hint(x.shape, known)}.'
                )
        window = per_axis('window', self.window, 2)
        shape = (*window, channels // self.groups, self.features)
        kernel = self.param('kernel', nn.initializers.he_normal(), shape).astype(x.dtype)
        options = {'stride': self.stride, 'padding': self.padding, 'fill': self.fill}
        options |= {'groups': self.groups, 'strict': self.strict}
        try:
            y = ops.conv(x, kernel, **options)
        except ValueError as error:
            raise BadInput(f'{layer}: input {x.shape[1:-1]}: {error}') from error
        if self.use_bias:
            start = nn.initializers.constant(self.bias_start)
            bias = self.param('bias', start, (self.features,))
            y = add_bias(y, bias)
        return y
