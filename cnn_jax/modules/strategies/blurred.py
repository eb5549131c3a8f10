"""Strategies that low-pass filter before they subsample."""

from dataclasses import dataclass

from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.modules.strategies.base import (
    FILTER,
    STRIDE,
    WINDOW,
    Site,
    Strategy,
    check_fill,
    check_ints,
)
from cnn_jax.ops.windows import Fill


@dataclass(frozen=True)
class Blur(Strategy):
    """Binomial blur and subsampling in place of the pooling (Zhang 2019)."""

    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'

    def __post_init__(self):
        check_ints(self, filter_size=FILTER, stride=STRIDE)
        check_fill(self)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.blur_pool(
            x, filter_size=self.filter_size, stride=self.stride, padding=self.padding
        )


@dataclass(frozen=True)
class MaxBlur(Strategy):
    """Max pooling at stride 1, then binomial blur and subsampling (Zhang 2019)."""

    window: int = 2
    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'

    def __post_init__(self):
        check_ints(self, window=WINDOW, filter_size=FILTER, stride=STRIDE)
        check_fill(self)

    def at(self, site: Site) -> Strategy:
        if site == 'max_pool':
            return self
        return Blur(self.filter_size, self.stride, self.padding)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.max_blur_pool(
            x,
            window=self.window,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
        )


@dataclass(frozen=True)
class AvgBlur(MaxBlur):
    """Average pooling at stride 1, then binomial blur and subsampling."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.avg_blur_pool(
            x,
            window=self.window,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
        )
