"""Max pooling at positions drawn at random in training."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.fields import Between
from cnn_jax.ops.windows import Pairs
from cnn_jax.strategies.base import Factor, Strategy, Window, added_reach, window_reach


@dataclass(frozen=True)
class FractionalMax(Strategy):
    """The maximum of windows with random spacing (Graham 2014); floor(n / ratio).

    At test time u is 1/2 everywhere, so that the network is deterministic; Graham repeats the draw
    and averages the outputs.

    Authors: maps shrink by 2^(1/2) or 2^(1/3) at each of many pools, windows of 2 (Graham 2014).
    Here: at every site, by `ratio`; with a ratio of 2 and windows of 3, maps have the same sizes
    as under other strategies.
    """

    name: ClassVar[str] = 'fractional_max'
    window: Window = 3
    ratio: Annotated[float, Between(1.05, 16)] = 2.0
    stride: Factor = 2  # of the site that it replaces

    @property
    def sampling(self) -> int:
        return round(self.ratio)

    def out(self, size: Sequence[int]) -> tuple[int, ...]:
        """How many windows each axis has."""
        return tuple(max(1, math.floor(n / self.ratio)) for n in size)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        reach = []
        for n, out in zip(size, self.out(size), strict=True):
            alpha = (n - self.window) / max(out - 1, 1)
            start = np.floor((np.arange(out) + 0.5) * alpha) - math.floor(0.5 * alpha)
            start[-1] = n - self.window
            off = start - self.sampling * np.arange(out)
            reach.append((int(-off.min()), int(off.max()) + self.window - 1))
        return tuple(reach)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        shape = (x.shape[0], x.shape[-1], x.ndim - 2)
        if train:
            samples = jax.random.uniform(layer.make_rng('downsample'), shape)
        else:
            samples = jnp.full(shape, 0.5)
        return ops.fractional_max_pool(x, samples, window=self.window, size=self.out(x.shape[1:-1]))


@dataclass(frozen=True)
class S3(Strategy):
    """Maxima at stride 1, then random rows and columns of each strip (Zhai 2017); ceil(n / stride).

    Authors: at the pools; strips chosen layer by layer, longer in early ones (Zhai 2017). Here: one
    `grid` for all layers.
    """

    name: ClassVar[str] = 's3'
    window: Window = 2
    grid: Annotated[int, Between(1, 64)] = 4
    stride: Factor = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        windows = window_reach(self.window, 'same', size)
        return added_reach(windows, ((0, self.stride - 1),) * len(size))

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.s3_pool(
            x,
            window=self.window,
            stride=self.stride,
            grid=self.grid,
            train=train,
            key=layer.make_rng('downsample') if train else None,
        )


DRAWN = (FractionalMax, S3)
__all__ = ['S3', 'FractionalMax']
