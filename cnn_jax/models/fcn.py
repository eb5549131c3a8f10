"""Fully convolutional networks over VGG-16 (Long, Shelhamer & Darrell, CVPR 2015)."""

from typing import ClassVar, Literal

from jaxtyping import Array

from cnn_jax.layers import Layers
from cnn_jax.models.dense import DenseNetwork
from cnn_jax.models.network import Share
from cnn_jax.models.vgg import vgg_stage
from cnn_jax.strategies import Matching, TransposedConv, Upsampling

_SKIPS = {32: (), 16: (4,), 8: (4, 3)}


class FCN(DenseNetwork):
    """Logits of a class for each pixel: (batch, height, width, num_classes).

    VGG-16 whose dense layers are convolutions (7x7 and 1x1 to 4096 features) and score each place
    of the smallest map; scores are upsampled to the image, at `finest` 16 and 8 by way of the maps
    after the fourth and third pool, whose scores are added. Beside strategies other than APS and
    LPS each upsampling is a transposed convolution that starts as bilinear interpolation. With 21
    classes FCN-8s has 134,489,759 parameters.

    Unlike in the authors' code, which pads the image by 100 pixels and crops the result, the 7x7
    convolution keeps the size, so images need sides that are multiples of 32; convolutions of
    scores start as all others do, not at zero.

    Attributes:
        finest: The stride of the finest map that is scored: FCN-32s, FCN-16s or FCN-8s.
        dropout: The rate after each of the two convolutions to 4096 features.
    """

    UNPOOLS: ClassVar[bool] = False

    norm: str = 'none'
    upsample: Upsampling = Matching(otherwise=TransposedConv(overlap=2, start='bilinear'))
    finest: Literal[8, 16, 32] = 8
    dropout: Share = 0.5

    def forward(self, layers: Layers, x: Array) -> Array:
        self.require_multiples(x, 5)
        maps, steps = {}, []
        for stage in range(1, 6):
            x = vgg_stage(layers, x, 16, stage)
            x, step = self.down(layers, x, name=f'pool{stage}')
            steps.append(step)
            maps[stage] = x
        for number, window in ((6, 7), (7, 1)):
            x = layers.conv(x, 4096, window, use_bias=True, name=f'conv{number}')
            x = layers.activate(layers.normalise(x, name=f'norm{number}'))
            x = layers.dropout(x, self.dropout)
        scores = self.head(layers, x, self.num_classes, name='score')
        for stage in _SKIPS[self.finest]:
            scores = self.up(layers, scores, [steps.pop()], self.num_classes, name=f'up{stage}')
            name = f'score_pool{stage}'
            scores = scores + self.head(layers, maps[stage], self.num_classes, name=name)
        return self.up(layers, scores, steps, self.num_classes, name='up')
