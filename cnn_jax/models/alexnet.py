"""AlexNet in its one-column form (Krizhevsky 2014, "One weird trick", section 2)."""

from jaxtyping import Array

from cnn_jax.layers import Layers
from cnn_jax.models.network import Share, StemNetwork
from cnn_jax.ops.windows import Padding
from cnn_jax.strategies import STRIDED_CONV, Site

_POOL = Site('max_pool', window=3)


class AlexNet(StemNetwork):
    """Five convolutions, three overlapping max pools, three dense layers; 61,100,840 parameters.

    As in torchvision: the last map is averaged to 6x6, so any image of at least 63 pixels works,
    and there is no local response normalisation. `small_images` (28 or 32 pixels) replaces the
    first convolution, 11x11 of stride 4, by 5x5 of stride 1. `downsample_first` gives half of that
    stride to the strategy, after the activation.
    """

    norm: str = 'none'
    dropout: Share = 0.5

    def forward(self, layers: Layers, x: Array) -> Array:
        pool_stride = layers.conv_stride(_POOL, stride=1)
        first = self.downsample_first and not self.small_images
        first_stride = layers.conv_stride(STRIDED_CONV, stride=4) if first else 4
        plan: list[tuple[int, int, int, Padding]] = [
            (64, 5, 1, 'same') if self.small_images else (64, 11, first_stride, ((2, 2), (2, 2))),
            (192, 5, 1, 'same'),
            (384, 3, 1, 'same'),
            (256, 3, 1, 'same'),
            (256, 3, 1, 'same'),
        ]
        for number, (features, window, stride, padding) in enumerate(plan, start=1):
            pooled = number in (1, 2, 5)
            x = layers.conv(
                x,
                features,
                window,
                stride=stride * (pool_stride if pooled else 1),
                padding=padding,
                use_bias=True,
                name=f'conv{number}',
            )
            x = layers.activate(layers.normalise(x, name=f'norm{number}'))
            if number == 1 and first:
                x = layers.downsample(x, STRIDED_CONV, name='first')
            if pooled:
                x = layers.downsample(x, _POOL, name=f'pool{number}')
        x = layers.flatten(layers.average(x, 6))
        for number in (1, 2):
            x = layers.dense(layers.dropout(x, self.dropout), 4096, name=f'dense{number}')
            x = layers.activate(x)
        return self.logits(layers, x, name='dense3')
