"""VGG (Simonyan & Zisserman, ICLR 2015), with and without batch norm."""

from collections.abc import Mapping

from jaxtyping import Array

from cnn_jax.errors import BadInput
from cnn_jax.layers import Layers
from cnn_jax.models.network import Network, Share
from cnn_jax.strategies import Site

_FEATURES = (64, 128, 256, 512, 512)
DEPTHS: Mapping[int, tuple[int, ...]] = {  # convolutions per stage; Table 1, columns A, B, D, E
    11: (1, 1, 2, 2, 2),
    13: (2, 2, 2, 2, 2),
    16: (2, 2, 3, 3, 3),
    19: (2, 2, 4, 4, 4),
}


class VGG(Network):
    """Five stages of 3x3 convolutions, each ended by a 2x2 max pool; three dense layers.

    VGG-16 has 138,357,544 parameters, or 138,365,992 with norm='batch'. The last map is averaged
    to 7x7, as in torchvision, so any image of at least 32 pixels works. `small_images` (28 or 32
    pixels) rounds the pools' sizes up and has one dense layer on the mean of the last map.
    """

    depth: int = 16
    norm: str = 'none'
    dropout: Share = 0.5
    small_images: bool = False

    def forward(self, layers: Layers, x: Array) -> Array:
        if self.depth not in DEPTHS:
            raise BadInput(f'depth must be one of {", ".join(map(str, DEPTHS))}; got {self.depth}.')
        site = Site('max_pool', ceil_mode=self.small_images)
        for stage in range(1, 6):
            x = vgg_stage(layers, x, self.depth, stage, layers.conv_stride(site, stride=1))
            x = layers.downsample(x, site, name=f'pool{stage}')
        if self.small_images:
            return self.logits(layers, layers.average(x), name='dense')
        x = layers.flatten(layers.average(x, 7))
        for number in (1, 2):
            x = layers.activate(layers.dense(x, 4096, name=f'dense{number}'))
            x = layers.dropout(x, self.dropout)
        return self.logits(layers, x, name='dense3')


def vgg_stage(layers: Layers, x: Array, depth: int, stage: int, last_stride: int = 1) -> Array:
    """The convolutions of one of the five stages, up to its pool."""
    convolutions, features = DEPTHS[depth][stage - 1], _FEATURES[stage - 1]
    for number in range(1, convolutions + 1):
        name, stride = f'{stage}_{number}', last_stride if number == convolutions else 1
        x = layers.conv(x, features, 3, stride=stride, use_bias=True, name=f'conv{name}')
        x = layers.activate(layers.normalise(x, name=f'norm{name}'))
    return x
