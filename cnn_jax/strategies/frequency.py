"""Strategies that low-pass filter in the frequency domain instead of pooling; 2-D maps only.

An axis of n elements becomes ceil(n / stride).
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.fields import POSITIVE, Between
from cnn_jax.strategies.base import Factor, Strategy


@dataclass(frozen=True)
class Frequency(Strategy):
    """The field that these strategies share."""

    stride: Factor = 2


@dataclass(frozen=True)
class Spectral(Frequency):
    """Spectral pooling: the spectrum cropped to the output size (Rippel et al. 2015).

    Authors: instead of pools (Rippel 2015). Here: the mean is kept, whereas their gain is stride^2;
    the Nyquist row and column are averages of both sides, which differs by .18 to .47 from the code
    published with DiffStride, its gain removed.
    """

    name: ClassVar[str] = 'spectral'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.spectral_pool(x, stride=self.stride)


@dataclass(frozen=True)
class FLC(Frequency):
    """FrequencyLowCut pooling (Grabinski et al. 2022).

    Authors: before the strided convolution, the first one too, and on shortcuts (Grabinski 2022).
    Here: after the activation of the convolution. The crop is always centred; theirs is not where 4
    does not divide the size, and changes constants there.
    """

    name: ClassVar[str] = 'flc'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.flc_pool(x, stride=self.stride)


@dataclass(frozen=True)
class ASAP(Frequency):
    """FrequencyLowCut pooling with a Hamming window (Grabinski et al. 2023).

    Authors: as FLC (Grabinski 2023). Here: as FLC. A centred window; theirs is half a bin off
    centre (.04 to .08), and their ResNets take a padded variant (.64).
    """

    name: ClassVar[str] = 'asap'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.asap_pool(x, stride=self.stride)


@dataclass(frozen=True)
class AFC(Frequency):
    """Ideal low-pass filter and subsampling, the downsampling of alias-free convolutional networks.

    A network's logits are invariant to circular shifts, fractional ones included, only if the whole
    network is free of aliasing (Michaeli et al. 2023): activation='quadratic', a norm that is
    linear at test time or divides by one number per map (norm='batch' or 'map_layer'; not 'layer',
    ConvNeXt's default), fill='circular', no stride in the stem that the strategy does not take over
    (`small_images` or `downsample_first` of ResNets; `unstrided_stem` of ConvNeXt, whose
    `downsample_first` leaves a stride of 2), map sizes divisible by the stride at every site, and a
    global average.

    Authors: after every strided convolution, the stem's included, with polynomial activations and a
    norm of their own (Michaeli 2023). Here: the filter alone: `AFC` lists what the rest of the
    network needs; `unstrided_stem`, `norm='map_layer'` and `activation='quadratic'` are theirs.
    """

    name: ClassVar[str] = 'afc'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.afc_pool(x, stride=self.stride)


@dataclass(frozen=True)
class DiffStride(Frequency):
    """Low-pass with a learned stride per axis (Riad et al. 2022), on a grid fixed by `stride`.

    The parameter 'strides', for height and width, starts at `stride`. Whatever it learns, the
    output has ceil(n / stride) elements per axis. `smoothness` is the width, in frequency bins,
    over which the filter falls from 1 to 0.

    Below the smallest stride that filters anything, 1 (or n / (n - 1) for an odd n), the parameter
    is reflected to above it. Clamped to 1, as in the op, it would have no gradient and be stuck
    there; the authors clamp the variable after each step.

    Authors: one layer for each residual block, before norm and ReLU (Riad 2022); starts at the
    published stride; the variable is clamped.
    """

    name: ClassVar[str] = 'diffstride'
    smoothness: Annotated[float, Between(POSITIVE)] = 4.0

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        start = nn.initializers.constant(float(self.stride))
        strides = layer.param('strides', start, (2,))
        least = jnp.array([n / (2 * (n // 2)) if n > 1 else 1.0 for n in x.shape[1:-1]])
        strides = jnp.where(strides < least, 2 * least - strides, strides)
        return ops.diffstride_pool(x, strides, stride=self.stride, smoothness=self.smoothness)


FREQUENCY = (Spectral, FLC, ASAP, AFC, DiffStride)
__all__ = [
    'AFC',
    'ASAP',
    'DiffStride',
    'FLC',
    'Spectral',
]
