"""Residual networks: ResNet, ResNeXt, Wide ResNet, and the CIFAR form of He et al."""

from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.layers import Downsample, Layers
from cnn_jax.models.network import Blocks, Network, StemNetwork
from cnn_jax.strategies import SHORTCUT, STRIDED_CONV, Site, Subsample

_STEM_POOL = Site('max_pool', window=3, padding=((1, 1), (1, 1)))


class ResidualBlock(nn.Module):
    """conv - norm - activation, ..., conv - norm; plus the shortcut; activation.

    Attributes:
        plan: (features, window, groups) of each convolution. All but the last are followed by the
            activation; the last but one has the stride.
        downsample: Whether the block halves the map.
        project: Whether a shortcut to more features is a 1x1 convolution; otherwise it is padded
            with zero channels (He et al. 2016, option A).
    """

    layers: Layers
    plan: tuple[tuple[int, int, int], ...]
    downsample: bool
    project: bool = True

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width out_channels']:
        layers, shortcut = self.layers, x
        strided = len(self.plan) - 2  # ResNet v1.5: the 3x3 convolution of a bottleneck
        for i, (features, window, groups) in enumerate(self.plan):
            stride = layers.conv_stride(STRIDED_CONV) if self.downsample and i == strided else 1
            name = f'conv{i + 1}'
            x = layers.conv(x, features, window, stride=stride, groups=groups, name=name)
            x = layers.normalise(x, name=f'norm{i + 1}')
            if i < len(self.plan) - 1:
                x = layers.activate(x)
            if self.downsample and i == strided:
                x, shortcut = layers.downsample_branches(x, shortcut, name='downsample')
        return layers.activate(x + self._to_features(shortcut, x.shape[-1]))

    def _to_features(self, shortcut: Array, features: int) -> Array:
        channels = shortcut.shape[-1]
        stride = self.layers.conv_stride(SHORTCUT) if self.downsample else 1
        if not self.project:
            if stride > 1:
                subsample = Downsample(Subsample(stride), name='shortcut_subsample')
                shortcut = subsample(shortcut, train=self.layers.train)
            missing = max(0, features - channels)
            return jnp.pad(shortcut, ((0, 0), (0, 0), (0, 0), (0, missing)))[..., :features]
        if channels == features and not self.downsample:
            return shortcut
        shortcut = self.layers.conv(shortcut, features, 1, stride=stride, name='shortcut_conv')
        return self.layers.normalise(shortcut, name='shortcut_norm')


class ResNet(StemNetwork):
    """ResNet (He et al., CVPR 2016) of four stages, with the stride on the 3x3 convolution.

    ResNet-18 has 11,689,512 parameters, ResNet-50 25,557,032. `groups` and `width` make ResNeXt
    (Xie et al., CVPR 2017; 32 groups of width 4) and Wide ResNet (Zagoruyko & Komodakis, BMVC 2016;
    width 128). `small_images` (28 or 32 pixels) starts with a 3x3 convolution of stride 1 and has
    no max pool. `downsample_first` makes the first convolution's stride a site of the strategy.

    Attributes:
        depths: Blocks of each stage.
        bottleneck: Whether a block is 1x1 - 3x3 - 1x1, with four times the features, or 3x3 - 3x3.
        groups: Groups of the 3x3 convolution of a bottleneck.
        width: Features of a group in the first stage's bottlenecks.
    """

    depths: tuple[int, ...] = (2, 2, 2, 2)
    bottleneck: bool = False
    groups: int = 1
    width: int = 64

    def forward(self, layers: Layers, x: Array) -> Array:
        x = residual_stem(layers, x, self.small_images, self.downsample_first)
        for stage, blocks in enumerate(self.depths, start=1):
            for number in range(blocks):
                downsample = stage > 1 and number == 0
                name = f'layer{stage}_{number}'
                x = ResidualBlock(layers, self._plan(64 << (stage - 1)), downsample, name=name)(x)
        return self.logits(layers, layers.average(x))

    def _plan(self, features: int) -> tuple[tuple[int, int, int], ...]:
        if not self.bottleneck:
            return (features, 3, 1), (features, 3, 1)
        inner = features * self.width // 64 * self.groups
        return (inner, 1, 1), (inner, 3, self.groups), (4 * features, 1, 1)


def residual_stem(layers: Layers, x: Array, small_images: bool, downsample_first: bool) -> Array:
    """The stem of ResNet and DenseNet: convolution to 64 features, norm, activation, max pool."""
    if small_images:
        x = layers.conv(x, 64, 3, name='conv1')
        return layers.activate(layers.normalise(x, name='norm1'))
    stride = layers.conv_stride(STRIDED_CONV) if downsample_first else 2
    stride *= layers.conv_stride(_STEM_POOL, stride=1)
    x = layers.conv(x, 64, 7, stride=stride, name='conv1')
    x = layers.activate(layers.normalise(x, name='norm1'))
    if downsample_first:
        x = layers.downsample(x, STRIDED_CONV, name='first')
    return layers.downsample(x, _STEM_POOL, name='pool1')


class CifarResNet(Network):
    """ResNet for CIFAR (He et al., CVPR 2016, section 4.2): 6 `blocks` + 2 layers, three stages.

    16, 32 and 64 features; shortcuts without parameters (option A). With three channels and ten
    classes, ResNet-20 has 3 blocks per stage and 269,722 parameters, ResNet-56 9 and 853,018.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    blocks: Blocks = 3

    def forward(self, layers: Layers, x: Array) -> Array:
        x = layers.conv(x, 16, 3, name='conv1')
        x = layers.activate(layers.normalise(x, name='norm1'))
        for stage, features in enumerate((16, 32, 64), start=1):
            for number in range(self.blocks):
                x = ResidualBlock(
                    layers,
                    ((features, 3, 1), (features, 3, 1)),
                    downsample=stage > 1 and number == 0,
                    project=False,
                    name=f'layer{stage}_{number}',
                )(x)
        return self.logits(layers, layers.average(x))
