"""What every architecture shares: its fields, its call and the layers that the fields select."""

import math
from typing import Annotated, ClassVar, Literal

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from cnn_jax.errors import require
from cnn_jax.fields import POSITIVE, Between, check_fields
from cnn_jax.layers import Downsample, Layers
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.windows import Fill, require_2d
from cnn_jax.strategies import Strategy

Share = Annotated[float, Between(0, math.nextafter(1.0, 0.0))]  # a dropout rate
_MOST_BLOCKS = 1000
Output = Literal['classes', 'mask', 'boxes', 'points']
Blocks = Annotated[int, Between(1, _MOST_BLOCKS)]


class Network(nn.Module):
    """A network on images, by default a classifier: a subclass defines its fields and `forward`.

    Attributes:
        downsample: The strategy used wherever the published network downsamples; `Max()`
            gives the published network.
        num_classes: How many logits; of each pixel or cell where the output is a map.
        activation: A name of `cnn_jax.layers.ACTIVATIONS`.
        norm: A name of `cnn_jax.layers.NORMS`.
        norm_epsilon: Added to variances.
        fill: What the padding of convolutions holds.
        strict: Whether maps on which a convolution's windows do not fit evenly are an error.
        dtype: What it computes in. Parameters and statistics are float32; so are logits, except
            that a network in float64 gives float64.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (224, 224, 3)  # the published network's input
    OUTPUT: ClassVar[Output] = 'classes'  # what it gives of an image

    downsample: Strategy
    num_classes: Annotated[int, Between(1, 1_000_000)]
    activation: str = 'relu'
    norm: str = 'batch'
    norm_epsilon: Annotated[float, Between(POSITIVE, 1)] = 1e-5
    fill: Fill = 'zero'
    strict: bool = False
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], *, train: bool
    ) -> Float[Array, 'batch *outputs']:
        """Images to logits, or to what else `OUTPUT` says.

        Images of height 1 are sequences: the network is then the one of a single axis, its windows
        and strides along the width, and strategies get maps (batch, width, channels).

        Raises BadInput for a field of the wrong type and for images that are not (batch, height,
        width, channels). The first convolution likewise refuses images whose number of channels
        differs from that at initialisation.
        """
        self.check()
        _check_images(type(self).__name__, x)
        one_axis = x.shape[1] == 1 and x.shape[2] != 1
        one_for_all = self.downsample.one_for_all
        shared = Downsample(self.downsample, one_axis, name='pool') if one_for_all else None
        layers = Layers(
            self.downsample,
            train,
            activation=self.activation,
            norm=self.norm,
            norm_epsilon=self.norm_epsilon,
            fill=self.fill,
            strict=self.strict,
            one_axis=one_axis,
            shared=shared,
        )
        return self.forward(layers, x.astype(self.dtype))

    def forward(self, layers: Layers, x: Array) -> Array:
        """The network, built from `layers`; called inside a compact method."""
        raise NotImplementedError

    def check(self) -> None:
        """Raises BadInput, naming the first field of the wrong type."""
        name = type(self).__name__
        require(
            isinstance(self.downsample, Strategy),
            f"{name}: downsample must be a strategy, like Max() or strategy_named('max_blur'); "
            f'got {self.downsample!r}.',
        )
        check_fields(self)
        depths = vars(self).get('depths', (1,))
        require(
            isinstance(depths, tuple)
            and len(depths) > 0
            and all(type(depth) is int and 1 <= depth <= _MOST_BLOCKS for depth in depths),
            f'{name}: depths must be a tuple of ints of at least 1, blocks of each stage; '
            f'got {depths!r}.',
        )

    def logits(
        self, layers: Layers, x: Array, *, name: str = 'dense'
    ) -> Float[Array, 'batch {self.num_classes}']:
        """The last layer, in float32 at least."""
        return layers.dense(at_least_float32(x), self.num_classes, name=name)


class StemNetwork(Network):
    """A network whose first convolution strides.

    Attributes:
        small_images: The form for images of 28 or 32 pixels, whose stem keeps the size.
        downsample_first: Makes the first convolution's stride a site of the strategy.
    """

    SMALL_STRIDES: ClassVar[bool] = False  # whether the stem for small images has a stride

    small_images: bool = False
    downsample_first: bool = False

    def check(self) -> None:
        """As `Network.check`; also refuses `downsample_first` where the stem has no stride."""
        super().check()
        require(
            self.SMALL_STRIDES or not (self.small_images and self.downsample_first),
            f'{type(self).__name__}: the form for small images has no stride in its first '
            'convolution: leave out downsample_first, or small_images.',
        )


def _check_images(name: str, images: Array) -> None:
    hint = {3: ': give one image as images[None]', 2: ': give one grey image as x[None, ..., None]'}
    require(
        images.ndim == 4,
        f'{name}: images must be (batch, height, width, channels); got {images.shape}'
        f'{hint.get(images.ndim, "")}.',
    )
    require_2d(name, images)
