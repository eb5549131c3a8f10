"""Strategies whose low-pass filter is learned, or depends on what it blurs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Array

from cnn_jax.errors import require
from cnn_jax.modules.adaptive_blur import AdaptiveBlurPool, BlurShare, LearnedBlurPool
from cnn_jax.modules.strategies.base import (
    WINDOW,
    check_choice,
    check_floats,
    check_ints,
)
from cnn_jax.modules.strategies.blurred import AfterWindow
from cnn_jax.ops.adaptive_blur import EDGE_REACH, Normalise, edge_aware_blur
from cnn_jax.ops.pooling import max_pool, subsample
from cnn_jax.ops.windows import Pairs


@dataclass(frozen=True)
class LearnedBlur(AfterWindow):
    """`MaxBlur` (Zhang 2019) with a learned filter for the layer or each channel."""

    share: BlurShare = 'channel'

    def __post_init__(self):
        super().__post_init__()
        check_choice(self, share=('layer', 'channel'))

    def __call__(self, x: Array, *, train: bool) -> Array:
        x = max_pool(x, **self.windows)
        return LearnedBlurPool(self.filter_size, self.stride, self.padding, self.share)(x)


@dataclass(frozen=True)
class DDAC(AfterWindow):
    """`MaxBlur` with a filter for each position, from the features there (Zou et al. 2020).

    `groups` must divide the channels.
    """

    groups: int = 8
    normalise: Normalise = 'group'

    def __post_init__(self):
        super().__post_init__()
        check_ints(self, groups=(1, 4096))
        check_choice(self, normalise=('group', 'all'))

    def __call__(self, x: Array, *, train: bool) -> Array:
        x = max_pool(x, **self.windows)
        blur = AdaptiveBlurPool(
            self.filter_size, self.groups, self.stride, self.padding, self.normalise
        )
        return blur(x, train=train)


@dataclass(frozen=True)
class EdgeAware(AfterWindow):
    """`MaxBlur` that leaves edges unblurred (kornia's EdgeAwareBlurPool2D), then subsamples."""

    edge_threshold: float = 1.25
    edge_dilation: int = 3

    def __post_init__(self):
        super().__post_init__()
        check_floats(self, edge_threshold=(math.nextafter(1.0, 2.0), math.inf))
        check_ints(self, edge_dilation=(1, WINDOW))
        require(
            self.edge_dilation % 2 == 1,
            f'EdgeAware: edge_dilation must be odd; got {self.edge_dilation!r}.',
        )

    def filter_reach(self, size: Sequence[int]) -> Pairs:
        edge = EDGE_REACH + self.edge_dilation // 2
        return tuple((max(edge, low), max(edge, high)) for low, high in super().filter_reach(size))

    def __call__(self, x: Array, *, train: bool) -> Array:
        x = edge_aware_blur(
            max_pool(x, **self.windows),
            filter_size=self.filter_size,
            edge_threshold=self.edge_threshold,
            edge_dilation=self.edge_dilation,
            padding=self.padding,
        )
        return subsample(x, stride=self.stride)
