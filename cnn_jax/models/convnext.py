"""ConvNeXt (Liu et al., CVPR 2022)."""

from dataclasses import replace
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.errors import require
from cnn_jax.layers import Layers
from cnn_jax.models.network import Share, StemNetwork
from cnn_jax.strategies import STRIDED_CONV


class ConvNeXtBlock(nn.Module):
    """depthwise conv 7x7 - norm - dense to 4x - activation - dense, scaled; plus the input.

    `drop` is the probability that training skips the block for an example.
    """

    layers: Layers
    drop: float = 0.0

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch height width channels']:
        layers, width = self.layers, x.shape[-1]
        y = layers.conv(x, width, 7, groups=width, use_bias=True, name='depthwise_conv')
        y = layers.normalise(y, name='norm')
        y = layers.activate(layers.dense(y, 4 * width, name='dense1'))
        y = layers.dense(y, width, name='dense2')
        scale = self.param('scale', nn.initializers.constant(1e-6), (width,))
        drop = nn.Dropout(self.drop, broadcast_dims=(1, 2, 3), deterministic=not layers.train)
        return x + drop(scale.astype(y.dtype) * y)


class ConvNeXt(StemNetwork):
    """ConvNeXt-T: a 4x4 convolution of stride 4, four stages of 3, 3, 9, 3 blocks; 28,589,128.

    A stage starts with norm and a 2x2 convolution of stride 2; where a strategy takes that stride,
    the convolution keeps the size and the strategy follows it. `small_images` (28 or 32 pixels)
    starts with 2x2 of stride 2. `downsample_first` gives half of the first stride to the strategy,
    `unstrided_stem` all of it, a stride of 4 in two steps. With 'afc', whose two steps amount to
    one filter that keeps a quarter of the frequencies, this is the stem of alias-free ConvNeXt
    (Michaeli et al., CVPR 2023), which also has activation='quadratic', norm='map_layer' and
    fill='circular'.

    Attributes:
        depths: Blocks of each stage.
        features: Features of each stage.
        drop_path: The probability that training skips the last block, rising linearly from 0 at
            the first; the paper trains ConvNeXt-T with 0.1.
    """

    SMALL_STRIDES: ClassVar[bool] = True

    activation: str = 'gelu'
    norm: str = 'layer'
    norm_epsilon: float = 1e-6
    depths: tuple[int, ...] = (3, 3, 9, 3)
    features: tuple[int, ...] = (96, 192, 384, 768)
    drop_path: Share = 0.0
    unstrided_stem: bool = False

    def forward(self, layers: Layers, x: Array) -> Array:
        require(
            len(self.depths) == len(self.features),
            f'ConvNeXt: depths and features must be of one length; got {self.depths} and '
            f'{self.features}.',
        )
        patch = 2 if self.small_images else 4
        steps = 2 if self.unstrided_stem and patch == 4 else 1
        first = self.downsample_first or self.unstrided_stem
        stride = layers.conv_stride(STRIDED_CONV, stride=patch // steps)
        stride = stride if first else patch
        x = _strided(layers, x, self.features[0], patch, stride, name='first_conv')
        for step in range(steps if first else 0):
            site = replace(STRIDED_CONV, after_conv=step == 0)
            x = layers.downsample(x, site, name='first' if step == 0 else 'first_again')
        x = layers.normalise(x, name='first_norm')
        block, blocks = 0, sum(self.depths)
        for stage, (depth, features) in enumerate(zip(self.depths, self.features, strict=True)):
            if stage > 0:
                x = layers.normalise(x, name=f'downsample{stage}_norm')
                stride = layers.conv_stride(STRIDED_CONV)
                x = _strided(layers, x, features, 2, stride, name=f'downsample{stage}_conv')
                x = layers.downsample(x, STRIDED_CONV, name=f'downsample{stage}')
            for number in range(depth):
                drop = self.drop_path * block / max(1, blocks - 1)
                x = ConvNeXtBlock(layers, drop, name=f'stage{stage + 1}_{number}')(x)
                block += 1
        x = layers.average(x)[:, None, None]
        x = layers.normalise(x, name='norm')
        return self.logits(layers, jnp.reshape(x, (x.shape[0], x.shape[-1])))


def _strided(
    layers: Layers, x: Array, features: int, window: int, stride: int, *, name: str
) -> Array:
    """A convolution over disjoint windows; if it lost its stride, it keeps the size instead."""
    padding = 'valid' if stride == window else 'same'
    return layers.conv(
        x, features, window, stride=stride, padding=padding, use_bias=True, name=name
    )
