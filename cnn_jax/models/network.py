"""What every architecture shares: its fields and the layers that they choose."""

import math
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array

from cnn_jax.errors import require
from cnn_jax.modules import Downsample, Strategy
from cnn_jax.modules.layers import Layers
from cnn_jax.modules.strategies.base import POSITIVE, check_floats, check_ints
from cnn_jax.ops.floats import wide
from cnn_jax.ops.windows import Fill, require_2d

MOST_CLASSES, MOST_BLOCKS = 1_000_000, 1000
BELOW_ONE = math.nextafter(1.0, 0.0)


class Network(nn.Module):
    """A classifier of images.

    Attributes:
        downsample: The strategy that stands wherever the published network downsamples; `Max()`
            is the published network.
        num_classes: How many logits.
        activation: A name of `cnn_jax.modules.layers.ACTIVATIONS`.
        norm: A name of `cnn_jax.modules.layers.NORMS`.
        norm_epsilon: Added to variances.
        fill: What the padding of convolutions holds.
        strict: Whether maps over which a convolution's windows do not fit evenly are an error.
        dtype: What it computes in. Parameters and statistics are float32; logits too, or float64
            of a network in float64.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (224, 224, 3)  # what the published network takes
    SMALL_STRIDES: ClassVar[bool] = False  # whether the form for small images strides at first

    downsample: Strategy
    num_classes: int
    activation: str = 'relu'
    norm: str = 'batch'
    norm_epsilon: float = 1e-5
    fill: Fill = 'zero'
    strict: bool = False
    dtype: DTypeLike = jnp.float32

    def start(self, images: Array, *, train: bool) -> tuple[Array, Layers]:
        """The images in the network's dtype and the layers to build from; in a compact method.

        Raises BadInput for a field that is not of its kind and for images that are not
        (batch, height, width, channels). The first convolution refuses, likewise in a line, images
        of other channels than those it was initialised with.
        """
        _check_fields(self)
        _check_images(type(self).__name__, images)
        shared = Downsample(self.downsample, name='pool') if self.downsample.one_for_all else None
        layers = Layers(
            self.downsample,
            train,
            activation=self.activation,
            norm=self.norm,
            norm_epsilon=self.norm_epsilon,
            fill=self.fill,
            strict=self.strict,
            shared=shared,
        )
        return images.astype(self.dtype), layers

    def logits(self, layers: Layers, x: Array, *, name: str = 'dense') -> Array:
        """The last layer, in float32 at least."""
        return layers.dense(wide(x), self.num_classes, name=name)


def _check_images(name: str, images: Array) -> None:
    hint = {3: ': give one image as images[None]', 2: ': give one grey image as x[None, ..., None]'}
    require(
        images.ndim == 4,
        f'{name}: images must be (batch, height, width, channels); got {images.shape}'
        f'{hint.get(images.ndim, "")}.',
    )
    require_2d(name, images)


def _check_fields(model: Network) -> None:
    """BadInput that names the first field of `model` that is not of its kind."""
    name, given = type(model).__name__, vars(model)
    require(
        isinstance(model.downsample, Strategy),
        f"{name}: downsample must be a strategy, like Max() or strategy_named('max_blur'); "
        f'got {model.downsample!r}.',
    )
    check_ints(model, num_classes=(1, MOST_CLASSES))
    check_floats(model, norm_epsilon=(POSITIVE, 1))
    for field in {'dropout', 'drop_path'} & given.keys():
        check_floats(model, **{field: (0, BELOW_ONE)})
    for field in {'strict', 'small_images', 'downsample_first', 'unstrided_stem'} & given.keys():
        require(
            isinstance(given[field], bool),
            f'{name}: {field} must be True or False; got {given[field]!r}.',
        )
    if 'blocks' in given:
        check_ints(model, blocks=(1, MOST_BLOCKS))
    depths = given.get('depths', (1,))
    require(
        isinstance(depths, tuple)
        and len(depths) > 0
        and all(type(depth) is int and 1 <= depth <= MOST_BLOCKS for depth in depths),
        f'{name}: depths must be a tuple of ints of at least 1, blocks of each stage; '
        f'got {depths!r}.',
    )
    require(
        model.SMALL_STRIDES or not (given.get('small_images') and given.get('downsample_first')),
        f'{name}: the form for small images has no stride in its first convolution: leave out '
        f'downsample_first, or small_images.',
    )
