"""convnet3: three small stages, the network of the quick studies."""

from typing import Annotated, ClassVar

from jaxtyping import Array

from cnn_jax.fields import Between
from cnn_jax.layers import Layers
from cnn_jax.models.network import Network
from cnn_jax.strategies import MAX_POOL


class ConvNet3(Network):
    """Three stages of [conv 3x3 - norm - activation - downsample], and a dense layer.

    Our own, for many runs on few cores: only the strategy shrinks the map, and few features and
    small windows are fast. With a 32x32x3 image: 32x32x16 -> 16x16x32 -> 8x8x64 -> 4x4x64 -> 10.

    Attributes:
        width: Features of the first stage; each later stage has twice as many as the one before.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = ConvNet3(Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    >>> sum(p.size for p in jax.tree.leaves(variables['params']))
    33946
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    width: Annotated[int, Between(1, 10_000)] = 16

    def forward(self, layers: Layers, x: Array) -> Array:
        for stage in range(3):
            stride = layers.conv_stride(MAX_POOL, stride=1)
            x = layers.conv(x, self.width << stage, 3, stride=stride, name=f'conv{stage + 1}')
            x = layers.activate(layers.normalise(x, name=f'norm{stage + 1}'))
            x = layers.downsample(x, MAX_POOL, name=f'pool{stage + 1}')
        return self.logits(layers, layers.flatten(x))
