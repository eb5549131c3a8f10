"""quicknet: the network of `experiments.speedrun`."""

from typing import ClassVar

from jaxtyping import Array

from cnn_jax.layers import Layers
from cnn_jax.models.network import Network
from cnn_jax.strategies import MAX_POOL


class QuickNet(Network):
    """[conv 5x5 of stride 2, 32] - [conv 3x3, 32] - downsample - [conv 3x3, 64] - dense.

    Each [...] is followed by batch norm and the activation. Our own design: striding first avoids
    the 28x28 maps that take most of `ConvNet1`'s time, and 3x3 windows over 32 channels are fast on
    a CPU. With a 28x28x1 image: 14x14x32 -> 7x7x64 -> 10, and 60,074 trainable parameters; only the
    pool depends on the strategy.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = QuickNet(Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> sum(p.size for p in jax.tree.leaves(variables['params']))
    60074
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    def forward(self, layers: Layers, x: Array) -> Array:
        stride = layers.conv_stride(MAX_POOL, stride=1)
        plan = ((32, 5, 2), (32, 3, stride), (64, 3, 1))
        for number, (features, window, stride) in enumerate(plan, start=1):
            x = layers.conv(x, features, window, stride=stride, name=f'conv{number}')
            x = layers.activate(layers.normalise(x, name=f'norm{number}'))
            if number == 2:
                x = layers.downsample(x, MAX_POOL, name='pool')
        return self.logits(layers, layers.flatten(x))
