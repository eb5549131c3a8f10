"""Pre-activation ResNet (He et al., ECCV 2016, "Identity mappings in deep residual networks")."""

from typing import ClassVar

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.layers import Layers
from cnn_jax.models.network import Network
from cnn_jax.strategies import SHORTCUT, STRIDED_CONV


class PreActBlock(nn.Module):
    """norm - activation - conv 3x3 - norm - activation - conv 3x3; plus the shortcut.

    A shortcut that changes the size or the features starts after the first activation.
    """

    layers: Layers
    features: int
    downsample: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        layers, shortcut = self.layers, x
        x = layers.activate(layers.normalise(x, name='norm1'))
        project = self.downsample or x.shape[-1] != self.features
        if project:
            shortcut = x
        stride = layers.conv_stride(STRIDED_CONV) if self.downsample else 1
        x = layers.conv(x, self.features, 3, stride=stride, name='conv1')
        x = layers.activate(layers.normalise(x, name='norm2'))
        if self.downsample:
            x, shortcut = layers.downsample_branches(x, shortcut, name='downsample')
        x = layers.conv(x, self.features, 3, name='conv2')
        if project:
            stride = layers.conv_stride(SHORTCUT) if self.downsample else 1
            shortcut = layers.conv(shortcut, self.features, 1, stride=stride, name='shortcut_conv')
        return x + shortcut


class PreActResNet(Network):
    """Pre-activation ResNet for images of 28 or 32 pixels: conv 3x3, four stages, norm, dense.

    PreAct-ResNet-18 has two blocks per stage, and 11,172,170 parameters with three channels and ten
    classes.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (32, 32, 3)

    depths: tuple[int, ...] = (2, 2, 2, 2)

    def forward(self, layers: Layers, x: Array) -> Array:
        x = layers.conv(x, 64, 3, name='conv1')
        for stage, blocks in enumerate(self.depths, start=1):
            for number in range(blocks):
                downsample = stage > 1 and number == 0
                name = f'layer{stage}_{number}'
                x = PreActBlock(layers, 64 << (stage - 1), downsample, name=name)(x)
        x = layers.activate(layers.normalise(x, name='norm'))
        return self.logits(layers, layers.average(x))
