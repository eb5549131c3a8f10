"""MobileNetV2 (Sandler et al., CVPR 2018)."""

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.layers import Layers
from cnn_jax.models.network import Share, StemNetwork
from cnn_jax.strategies import STRIDED_CONV

STAGES = (  # expansion, features, blocks, whether the first block halves the map; Table 2
    (1, 16, 1, False),
    (6, 24, 2, True),
    (6, 32, 3, True),
    (6, 64, 4, True),
    (6, 96, 3, False),
    (6, 160, 3, True),
    (6, 320, 1, False),
)


class InvertedResidual(nn.Module):
    """conv 1x1 to more features - depthwise conv 3x3 - conv 1x1 without an activation.

    The strategy follows the activation of the depthwise convolution.
    """

    layers: Layers
    expansion: int
    features: int
    downsample: bool

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch out_height out_width {self.features}']:
        layers, shortcut = self.layers, x
        if self.expansion > 1:
            x = layers.conv(x, self.expansion * x.shape[-1], 1, name='expand_conv')
            x = layers.activate(layers.normalise(x, name='expand_norm'))
        width = x.shape[-1]
        stride = layers.conv_stride(STRIDED_CONV) if self.downsample else 1
        x = layers.conv(x, width, 3, stride=stride, groups=width, name='depthwise_conv')
        x = layers.activate(layers.normalise(x, name='depthwise_norm'))
        if self.downsample:
            x = layers.downsample(x, STRIDED_CONV, name='downsample')
        x = layers.conv(x, self.features, 1, name='project_conv')
        x = layers.normalise(x, name='project_norm')
        same = not self.downsample and shortcut.shape[-1] == self.features
        return x + shortcut if same else x


class MobileNetV2(StemNetwork):
    """Seventeen inverted residual blocks; 3,504,872 parameters.

    `small_images` (28 or 32 pixels) gives the first convolution stride 1. `downsample_first` makes
    its stride a site of the strategy.
    """

    activation: str = 'relu6'
    dropout: Share = 0.2

    def forward(self, layers: Layers, x: Array) -> Array:
        first = self.downsample_first and not self.small_images
        stride = 1 if self.small_images else 2
        stride = layers.conv_stride(STRIDED_CONV) if first else stride
        x = layers.conv(x, 32, 3, stride=stride, name='first_conv')
        x = layers.activate(layers.normalise(x, name='first_norm'))
        if first:
            x = layers.downsample(x, STRIDED_CONV, name='first')
        block = 0
        for expansion, features, count, halves in STAGES:
            for number in range(count):
                block += 1
                downsample = halves and number == 0
                x = InvertedResidual(layers, expansion, features, downsample, name=f'block{block}')(
                    x
                )
        x = layers.conv(x, 1280, 1, name='last_conv')
        x = layers.activate(layers.normalise(x, name='last_norm'))
        x = layers.dropout(layers.average(x), self.dropout)
        return self.logits(layers, x)
