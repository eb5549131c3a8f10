"""What every architecture shares: its fields and the layers that they choose."""

from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array

from cnn_jax.modules import Downsample, Strategy
from cnn_jax.modules.layers import Layers
from cnn_jax.ops.windows import Fill, require_2d


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
        dtype: What it computes in; parameters, statistics and logits are float32.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (224, 224, 3)  # what the published network takes

    downsample: Strategy
    num_classes: int
    activation: str = 'relu'
    norm: str = 'batch'
    norm_epsilon: float = 1e-5
    fill: Fill = 'zero'
    strict: bool = False
    dtype: DTypeLike = jnp.float32

    def start(self, images: Array, *, train: bool) -> tuple[Array, Layers]:
        """The images in the network's dtype and the layers to build from; in a compact method."""
        require_2d(type(self).__name__, images)
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
        """The last layer, in float32."""
        return layers.dense(x.astype(jnp.float32), self.num_classes, name=name)
