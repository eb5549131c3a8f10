"""LeNet-5 (LeCun et al. 1998, "Gradient-based learning applied to document recognition")."""

from typing import ClassVar

from jaxtyping import Array

from cnn_jax.layers import Layers
from cnn_jax.models.network import Network
from cnn_jax.strategies import AVG_POOL

_SIDE = 28  # images of up to this side are padded, 28 to the 32 of the paper


class LeNet5(Network):
    """[conv 5x5 - tanh - average pool] with 6, then 16 features; dense 120, 84, `num_classes`.

    The textbook form: every feature of the second convolution sees all six maps, pools have no
    weights, and the last layer is dense. 61,706 parameters, for images of 32x32x1 and, with a
    padding of 2 in the first convolution, of 28x28x1.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = LeNet5(Max(), num_classes=10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> sum(p.size for p in jax.tree.leaves(variables['params']))
    61706
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (28, 28, 1)

    activation: str = 'tanh'
    norm: str = 'none'

    def forward(self, layers: Layers, x: Array) -> Array:
        stride = layers.conv_stride(AVG_POOL, stride=1)
        first = tuple((2, 2) if n <= _SIDE else (0, 0) for n in x.shape[1:3])
        paddings = (first, 'valid')
        for number, (features, padding) in enumerate(zip((6, 16), paddings, strict=True), start=1):
            name = f'conv{number}'
            x = layers.conv(
                x, features, 5, stride=stride, padding=padding, use_bias=True, name=name
            )
            x = layers.activate(layers.normalise(x, name=f'norm{number}'))
            x = layers.downsample(x, AVG_POOL, name=f'pool{number}')
        x = layers.flatten(x)
        for number, features in enumerate((120, 84), start=1):
            x = layers.activate(layers.dense(x, features, name=f'dense{number}'))
        return self.logits(layers, x, name='dense3')
