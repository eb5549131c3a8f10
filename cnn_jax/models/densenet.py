"""DenseNet (Huang et al., CVPR 2017)."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.layers import Layers
from cnn_jax.models.network import StemNetwork
from cnn_jax.models.resnet import residual_stem
from cnn_jax.strategies import AVG_POOL


class DenseLayer(nn.Module):
    """norm - activation - conv 1x1 - norm - activation - conv 3x3, concatenated to its input."""

    layers: Layers
    growth: int

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch height width out_channels']:
        y = self.layers.activate(self.layers.normalise(x, name='norm1'))
        y = self.layers.conv(y, 4 * self.growth, 1, name='conv1')
        y = self.layers.activate(self.layers.normalise(y, name='norm2'))
        y = self.layers.conv(y, self.growth, 3, name='conv2')
        return jnp.concatenate([x, y], axis=-1)


class Transition(nn.Module):
    """norm - activation - conv 1x1 to half the channels - downsample."""

    layers: Layers

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width out_channels']:
        x = self.layers.activate(self.layers.normalise(x, name='norm'))
        stride = self.layers.conv_stride(AVG_POOL, stride=1)
        x = self.layers.conv(x, x.shape[-1] // 2, 1, stride=stride, name='conv')
        return self.layers.downsample(x, AVG_POOL, name='pool')


class DenseNet(StemNetwork):
    """DenseNet-121: four dense blocks of 6, 12, 24, 16 layers with growth 32; 7,978,856 parameters.

    `small_images` (28 or 32 pixels) starts with a 3x3 convolution of stride 1 and no max pool.
    `downsample_first` makes the first convolution's stride a site of the strategy.
    """

    depths: tuple[int, ...] = (6, 12, 24, 16)
    growth: int = 32

    def forward(self, layers: Layers, x: Array) -> Array:
        x = residual_stem(layers, x, self.small_images, self.downsample_first)
        for block, count in enumerate(self.depths, start=1):
            for number in range(1, count + 1):
                x = DenseLayer(layers, self.growth, name=f'block{block}_layer{number}')(x)
            if block < len(self.depths):
                x = Transition(layers, name=f'transition{block}')(x)
        x = layers.activate(layers.normalise(x, name='norm'))
        return self.logits(layers, layers.average(x))
