"""Strategies that low-pass in the frequency domain, in place of the pooling; 2-D maps only.

An axis of n elements becomes ceil(n / stride).
"""

import math
from dataclasses import dataclass

from jaxtyping import Array

from cnn_jax.modules.frequency import DiffStridePool
from cnn_jax.modules.strategies.base import POSITIVE, STRIDE, Strategy, check_floats, check_ints
from cnn_jax.ops.lowpass import afc_pool
from cnn_jax.ops.spectral import asap_pool, flc_pool, spectral_pool


@dataclass(frozen=True)
class Frequency(Strategy):
    """The field that these strategies share."""

    stride: int = 2

    def __post_init__(self):
        check_ints(self, stride=STRIDE)


@dataclass(frozen=True)
class Spectral(Frequency):
    """Spectral pooling: the spectrum cropped to the output size (Rippel et al. 2015)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return spectral_pool(x, stride=self.stride)


@dataclass(frozen=True)
class FLC(Frequency):
    """FrequencyLowCut pooling (Grabinski et al. 2022)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return flc_pool(x, stride=self.stride)


@dataclass(frozen=True)
class ASAP(Frequency):
    """FrequencyLowCut pooling with a Hamming window (Grabinski et al. 2023)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return asap_pool(x, stride=self.stride)


@dataclass(frozen=True)
class AFC(Frequency):
    """Ideal low-pass filter and subsampling, the downsampling of alias-free convolutional networks.

    A network's logits stay the same under circular shifts, also by parts of a pixel, only if all
    of it is free of aliasing (Michaeli et al. 2023): activation='quadratic', a norm that is linear
    at evaluation or divides by one number a map (norm='batch' or 'map_layer'; not 'layer', which
    ConvNeXt has by default), fill='circular', no stride at the start that the strategy does not
    take (`small_images` or `downsample_first` of ResNets; `unstrided_stem` of ConvNeXt, whose
    `downsample_first` leaves a stride of 2), maps that the stride divides at every site, and a
    global average.
    """

    def __call__(self, x: Array, *, train: bool) -> Array:
        return afc_pool(x, stride=self.stride)


@dataclass(frozen=True)
class DiffStride(Strategy):
    """Low-pass with a learned stride per axis (Riad et al. 2022), on a grid fixed by `stride`.

    `smoothness` is the width, in frequency bins, over which the filter falls from 1 to 0.
    """

    stride: int = 2
    smoothness: float = 4.0

    def __post_init__(self):
        check_ints(self, stride=STRIDE)
        check_floats(self, smoothness=(POSITIVE, math.inf))

    def __call__(self, x: Array, *, train: bool) -> Array:
        return DiffStridePool(self.stride, self.smoothness)(x)
