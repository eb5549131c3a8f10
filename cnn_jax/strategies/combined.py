"""Strategies that learn how to combine the maximum and the mean, or linear filters."""

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.fields import Between
from cnn_jax.ops.windows import place_windows
from cnn_jax.strategies.plain import Pool


@dataclass(frozen=True)
class Combined(Pool):
    """Fields of the combined pools; `share` says what shares one set of weights.

    One set for the whole 'net', or one for each 'layer', 'channel', 'region' (output position; the
    map size is then fixed) or 'region_channel'.
    """

    share: Literal['net', 'layer', 'channel', 'region', 'region_channel'] = 'layer'

    @property
    def one_for_all(self) -> bool:
        return self.share == 'net'

    def taps_and_shared(self, x: Array) -> tuple[int, tuple[int, ...]]:
        """How many elements a window has, and the other axes in the shape of the weights."""
        windows, channels = place_windows(x, **self.windows), x.shape[-1]
        shared = {
            'net': (),
            'layer': (),
            'channel': (channels,),
            'region': (*windows.out, 1),
            'region_channel': (*windows.out, channels),
        }
        return math.prod(windows.window), shared[self.share]


@dataclass(frozen=True)
class MaxAvg(Pool):
    """Max and average pooling, concatenated: twice the channels (timm's "catavgmax").

    No paper of its own.
    """

    name: ClassVar[str] = 'max_avg'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        both = ops.max_pool(x, **self.windows), ops.avg_pool(x, **self.windows)
        return jnp.concatenate(both, axis=-1)


@dataclass(frozen=True)
class Mixed(Combined):
    """A learned mixture of max and average pooling (Lee et al. 2016, section 3.1).

    'alpha_logit' starts at 0, the mean of both, and a sigmoid keeps alpha between 0 and 1. (Lee et
    al. 2016 learn alpha itself.)

    Authors: at the pools (Lee 2016); alpha itself is learned, unbounded. Here: alpha = sigmoid of a
    parameter that starts at 0, so one half.
    """

    name: ClassVar[str] = 'mixed'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        _, shared = self.taps_and_shared(x)
        logit = layer.param('alpha_logit', nn.initializers.zeros, shared)
        return ops.mixed_pool(x, **self.windows, alpha=jax.nn.sigmoid(logit))


@dataclass(frozen=True)
class Gated(Combined):
    """A mixture of max and average pooling that depends on the window (Lee et al. 2016, 3.1).

    The gating 'mask' starts at 0: the mean of max and average pooling.

    Authors: at the pools (Lee 2016); initialisation not stated. Here: the gate's mask starts at
    zero: one half max, one half average.
    """

    name: ClassVar[str] = 'gated'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        taps, shared = self.taps_and_shared(x)
        mask = layer.param('mask', nn.initializers.zeros, (taps, *shared))
        return ops.gated_pool(x, mask, **self.windows)


@dataclass(frozen=True)
class Tree(Combined):
    """A binary tree of `depth` levels of gated linear filters (Lee et al. 2016, section 3.2).

    The 2^(depth - 1) leaves, 'filters', start as averages, plus normal noise of a tenth of each
    weight to break the symmetry; 'gates' start at 0, so at equal shares. (Lee et al. 2016 do not
    state the initialisation.)

    Authors: at the first pool or two (Lee 2016); initialisation not stated. Here: leaves near the
    average, gates at zero, at every site.
    """

    name: ClassVar[str] = 'tree'
    depth: Annotated[int, Between(2, 6)] = 2

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        taps, shared = self.taps_and_shared(x)
        leaves = 2 ** (self.depth - 1)
        filters = layer.param('filters', _near_average, (leaves, taps, *shared))
        gates = layer.param('gates', nn.initializers.zeros, (leaves - 1, taps, *shared))
        return ops.tree_pool(x, filters, gates, **self.windows)


def _near_average(key: Array, shape: tuple[int, ...]) -> Array:
    return (1 + 0.1 * jax.random.normal(key, shape)) / shape[1]


COMBINED = (MaxAvg, Mixed, Gated, Tree)
__all__ = [
    'Gated',
    'MaxAvg',
    'Mixed',
    'Tree',
]
