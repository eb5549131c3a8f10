"""GoogLeNet, Inception v1 (Szegedy et al., CVPR 2015), without its auxiliary heads."""

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.layers import Downsample, Layers
from cnn_jax.models.network import Share, StemNetwork
from cnn_jax.strategies import STRIDED_CONV, Max, Site

_AFTER_CONV = Site('max_pool', window=3, ceil_mode=True)
_AFTER_BLOCK = Site('max_pool', window=3, ceil_mode=True, after_conv=False)
_LAST = Site('max_pool', window=2, ceil_mode=True, after_conv=False)
_STAGES = (  # per block the features of: 1x1; 1x1, 3x3; 1x1, second 3x3; 1x1 after the max
    ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    ((256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128)),
)


class ConvNorm(nn.Module):
    """conv - norm - activation."""

    layers: Layers
    features: int
    window: int
    stride: int = 1

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        x = self.layers.conv(x, self.features, self.window, stride=self.stride, name='conv')
        return self.layers.activate(self.layers.normalise(x, name='norm'))


class Inception(nn.Module):
    """Four concatenated branches: 1x1, 1x1 - 3x3, 1x1 - 3x3, max 3x3 - 1x1."""

    layers: Layers
    features: tuple[int, int, int, int, int, int]

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch height width out_channels']:
        one, before, three, before_second, second, after_max = self.features

        def conv(x: Array, features: int, window: int, name: str) -> Array:
            return ConvNorm(self.layers, features, window, name=name)(x)

        pool = Downsample(Max(3, stride=1, padding='same'), name='branch4_pool')
        branches = [
            conv(x, one, 1, 'branch1'),
            conv(conv(x, before, 1, 'branch2_1'), three, 3, 'branch2_2'),
            conv(conv(x, before_second, 1, 'branch3_1'), second, 3, 'branch3_2'),
            conv(pool(x, train=self.layers.train), after_max, 1, 'branch4'),
        ]
        return jnp.concatenate(branches, axis=-1)


class GoogLeNet(StemNetwork):
    """Nine Inception blocks in three stages; 6,624,904 parameters.

    As in torchvision: batch norm with epsilon 0.001, 3x3 convolutions where the paper has 5x5,
    sizes of max pools rounded up, the last pool 2x2. The max pools of stride 1 within the blocks do
    not downsample and are kept. `small_images` (28 or 32 pixels) starts with a 3x3 convolution of
    stride 1 and no max pool after it. `downsample_first` makes the first convolution's stride a
    site.
    """

    norm_epsilon: float = 1e-3
    dropout: Share = 0.2

    def forward(self, layers: Layers, x: Array) -> Array:
        pool_stride = layers.conv_stride(_AFTER_CONV, stride=1)
        if self.small_images:
            x = ConvNorm(layers, 64, 3, name='conv1')(x)
        else:
            stride = layers.conv_stride(STRIDED_CONV) if self.downsample_first else 2
            x = ConvNorm(layers, 64, 7, stride * pool_stride, name='conv1')(x)
            if self.downsample_first:
                x = layers.downsample(x, STRIDED_CONV, name='first')
            x = layers.downsample(x, _AFTER_CONV, name='pool1')
        x = ConvNorm(layers, 64, 1, name='conv2')(x)
        x = ConvNorm(layers, 192, 3, pool_stride, name='conv3')(x)
        x = layers.downsample(x, _AFTER_CONV, name='pool2')
        for stage, blocks in enumerate(_STAGES, start=3):
            for letter, features in zip('abcde', blocks, strict=False):
                x = Inception(layers, features, name=f'inception{stage}{letter}')(x)
            if stage < 5:
                site = _AFTER_BLOCK if stage == 3 else _LAST
                x = layers.downsample(x, site, name=f'pool{stage}')
        x = layers.dropout(layers.average(x), self.dropout)
        return self.logits(layers, x)
