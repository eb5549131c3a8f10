"""Strategies without parameters that reduce a window or take a sample."""

from dataclasses import dataclass

from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.modules.strategies.base import STRIDE, WINDOW, Site, Strategy, check_ints


@dataclass(frozen=True)
class Pool(Strategy):
    """Fields of the strategies that reduce a window."""

    window: int = 2
    stride: int = 2

    def __post_init__(self):
        check_ints(self, window=WINDOW, stride=STRIDE)


@dataclass(frozen=True)
class Stride(Strategy):
    """No pooling: the convolution before the layer takes the stride."""

    stride: int = 2

    def __post_init__(self):
        check_ints(self, stride=STRIDE)

    @property
    def conv_stride(self) -> int:
        return self.stride

    def __call__(self, x: Array, *, train: bool) -> Array:
        return x


@dataclass(frozen=True)
class Avg(Pool):
    """Average pooling."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.avg_pool(x, window=self.window, stride=self.stride)


@dataclass(frozen=True)
class Max(Pool):
    """Max pooling. The published networks' own: elsewhere they stride or average."""

    def at(self, site: Site) -> Strategy:
        if site == 'max_pool':
            return self
        return Avg(self.window, self.stride) if site == 'avg_pool' else Stride(self.stride)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.max_pool(x, window=self.window, stride=self.stride)
