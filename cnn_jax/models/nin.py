"""Network in Network (Lin, Chen & Yan, ICLR 2014)."""

from typing import ClassVar

from jaxtyping import Array

from cnn_jax.layers import Layers
from cnn_jax.models.network import Network, Share
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.strategies import Site

_STAGES = (  # the window and features of a stage's convolution, and of its two 1x1 convolutions
    (5, (192, 160, 96), Site('max_pool', window=3, ceil_mode=True)),
    (5, (192, 192, 192), Site('avg_pool', window=3, ceil_mode=True)),
)


class NIN(Network):
    """Three stages of a convolution and two 1x1 convolutions; the logits are means over the map.

    The authors' network for CIFAR-10: a max pool and an average pool between the stages, both 3x3
    of stride 2, and dropout after them. For images of 28 or 32 pixels.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    norm: str = 'none'
    dropout: Share = 0.5

    def forward(self, layers: Layers, x: Array) -> Array:

        def stage(x: Array, number: int, window: int, plan: tuple[int, ...], stride: int) -> Array:
            for i, features in enumerate(plan):
                size, last = (window if i == 0 else 1), i == len(plan) - 1
                name = f'conv{number}_{i + 1}'
                step = stride if last else 1
                if name == 'conv3_3':
                    x = at_least_float32(x)  # the logits
                x = layers.conv(x, features, size, stride=step, use_bias=True, name=name)
                x = layers.activate(layers.normalise(x, name=f'norm{number}_{i + 1}'))
            return x

        for number, (window, plan, site) in enumerate(_STAGES, start=1):
            x = stage(x, number, window, plan, layers.conv_stride(site, stride=1))
            x = layers.downsample(x, site, name=f'pool{number}')
            x = layers.dropout(x, self.dropout)
        x = stage(x, 3, 3, (192, 192, self.num_classes), 1)
        return layers.average(x)
