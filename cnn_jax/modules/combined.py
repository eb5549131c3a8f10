"""Pools that learn how to combine the maximum and the mean, or linear filters."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.ops.combined import gated_pool, mixed_pool, tree_pool
from cnn_jax.ops.windows import Fill, Padding, Windows, place_windows

Share = Literal['net', 'layer', 'channel', 'region', 'region_channel']
SHARES: tuple[str, ...] = get_args(Share)


class _Combined(nn.Module):
    """Fields of the pools with learned weights.

    `share` says what has weights of its own: 'layer', each 'channel', each 'region' (output
    position; the map size is then fixed) or each 'region_channel'. 'net' is 'layer' for a module
    that all layers of a network call.
    """

    window: int | Sequence[int]
    stride: int | Sequence[int] | None = None
    padding: Padding = 'valid'
    fill: Fill | None = None
    ceil_mode: bool = False
    share: Share = 'layer'

    def options(self) -> dict:
        """The keyword arguments of the op."""
        names = ('window', 'stride', 'padding', 'fill', 'ceil_mode')
        return {name: getattr(self, name) for name in names}

    def taps_and_shared(self, x: Array) -> tuple[int, tuple[int, ...]]:
        """How many elements a window has, and the axes after them in the shape of the weights."""
        windows = place_windows(x, *self.options().values())
        return math.prod(windows.window), _shared_shape(self.share, windows, x.shape[-1])


class MixedPool(_Combined):
    """`ops.mixed_pool` with learned shares of the maximum.

    The parameter is the logit of alpha, from 0: it starts as the mean of max and average pooling,
    and sigmoid keeps alpha between them. (Lee et al. 2016 learn alpha itself.)

    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> y, variables = MixedPool(2, share='channel').init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['alpha_logit'].shape
    ((2, 4, 4, 3), (3,))
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        _, shared = self.taps_and_shared(x)
        logit = self.param('alpha_logit', nn.initializers.zeros, shared)
        return mixed_pool(x, **self.options(), alpha=jax.nn.sigmoid(logit))


class GatedPool(_Combined):
    """`ops.gated_pool` with a learned gating mask, from 0: the mean of max and average pooling.

    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> y, variables = GatedPool(2, share='region').init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['mask'].shape
    ((2, 4, 4, 3), (4, 4, 4, 1))
    """

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        taps, shared = self.taps_and_shared(x)
        mask = self.param('mask', nn.initializers.zeros, (taps, *shared))
        return gated_pool(x, mask, **self.options())


class TreePool(_Combined):
    """`ops.tree_pool` with 2^(depth - 1) learned leaves.

    Leaves start as averages, each weight off by a normal tenth of itself so that they can part;
    gates start at 0, so at even shares. (Lee et al. 2016 leave the start open.)

    >>> x = jax.numpy.ones((2, 8, 8, 3))
    >>> y, variables = TreePool(2, depth=3).init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['filters'].shape, variables['params']['gates'].shape
    ((2, 4, 4, 3), (4, 4), (3, 4))
    """

    depth: int = 2

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        taps, shared = self.taps_and_shared(x)
        leaves = 2 ** (self.depth - 1)
        filters = self.param('filters', _near_average, (leaves, taps, *shared))
        gates = self.param('gates', nn.initializers.zeros, (leaves - 1, taps, *shared))
        return tree_pool(x, filters, gates, **self.options())


def _near_average(key: Array, shape: tuple[int, ...]) -> Array:
    return (1 + 0.1 * jax.random.normal(key, shape)) / shape[1]


def _shared_shape(share: str, windows: Windows, channels: int) -> tuple[int, ...]:
    shapes = {
        'net': (),
        'layer': (),
        'channel': (channels,),
        'region': (*windows.out, 1),
        'region_channel': (*windows.out, channels),
    }
    if share not in shapes:
        raise ValueError(f'share must be one of {", ".join(map(repr, shapes))}; got {share!r}')
    return shapes[share]
