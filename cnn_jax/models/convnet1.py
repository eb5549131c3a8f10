"""convnet1: two convolution blocks and a dense layer, the default network of a comparison."""

from typing import Annotated, ClassVar

from jaxtyping import Array

from cnn_jax.fields import Between
from cnn_jax.layers import Layers
from cnn_jax.models.network import Network
from cnn_jax.strategies import MAX_POOL


class ConvNet1(Network):
    """[conv 5x5 - batch norm - ReLU - downsample] with 16, then 32 features; dense.

    Attributes:
        window: Side of the windows of both convolutions.

    With a 28x28x1 image and a stride of 2: 28x28x16 -> 14x14x16 -> 14x14x32 -> 7x7x32 -> 10, and
    29,034 trainable parameters.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = ConvNet1(Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> sum(p.size for p in jax.tree.leaves(variables['params']))
    29034
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    window: Annotated[int, Between(1, 100)] = 5

    def forward(self, layers: Layers, x: Array) -> Array:
        for block, features in enumerate((16, 32), start=1):
            stride = layers.conv_stride(MAX_POOL, stride=1)
            x = layers.conv(
                x, features, self.window, stride=stride, use_bias=True, name=f'conv{block}'
            )
            x = layers.activate(layers.normalise(x, name=f'norm{block}'))
            x = layers.downsample(x, MAX_POOL, name=f'pool{block}')
        return self.logits(layers, layers.flatten(x))
