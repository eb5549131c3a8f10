"""Strategies that weight the elements of a window by their value, importance or rank."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.errors import require
from cnn_jax.fields import POSITIVE, Between
from cnn_jax.ops.importance import Likeness
from cnn_jax.ops.windows import Pairs, output_size
from cnn_jax.strategies.base import (
    WINDOW,
    Factor,
    Strategy,
    Window,
    WindowPadding,
    added_reach,
    window_reach,
)
from cnn_jax.strategies.plain import Pool

RankedWindow = Annotated[int, Between(1, 7)]  # bounded: every pair of elements is compared


@dataclass(frozen=True)
class Soft(Pool):
    """The mean of each window, weighted by the exponential of its elements (Stergiou 2021).

    `weight_gradient=False` gives the gradient of the authors' CUDA code: see `ops.soft_pool`.

    Authors: only at the stem's max pool (Stergiou 2021). Here: at every site. The true derivative;
    their CUDA code holds the weights constant: `weight_gradient=False`.
    """

    name: ClassVar[str] = 'soft'
    weight_gradient: bool = True

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.soft_pool(x, **self.windows, weight_gradient=self.weight_gradient)


@dataclass(frozen=True)
class LSE(Pool):
    """The log of the mean exponential, with a learned sharpness that starts at `r` (Pinheiro 2015).

    The parameter 'r' is one for all channels or one each, and unconstrained.

    Authors: one pool of the whole last map (Pinheiro & Collobert 2015); r fixed, by hand. Here:
    local windows at every site, r learned, starting at 10; no pooling head of this kind.
    """

    name: ClassVar[str] = 'lse'
    r: Annotated[float, Between(POSITIVE, 1000)] = 10.0
    per_channel: bool = False

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        shape = x.shape[-1:] if self.per_channel else ()
        r = layer.param('r', nn.initializers.constant(self.r), shape)
        return ops.lse_pool(x, **self.windows, r=r)


@dataclass(frozen=True)
class GeM(Pool):
    """The generalised mean, with a learned power that starts at `p` (Radenovic 2019).

    The parameter 'p' is one for all channels or one each, and unconstrained.

    Authors: one pool of the whole last map (Radenovic 2019); p = 3, one for all channels. Here:
    local windows at every site; no pooling head of this kind.
    """

    name: ClassVar[str] = 'gem'
    p: Annotated[float, Between(POSITIVE, 100)] = 3.0
    per_channel: bool = False

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        shape = x.shape[-1:] if self.per_channel else ()
        p = layer.param('p', nn.initializers.constant(self.p), shape)
        return ops.gem_pool(x, **self.windows, p=p)


@dataclass(frozen=True)
class Stochastic(Pool):
    """In training an element drawn by its value, at test time the expected one (Zeiler 2013).

    Authors: at the pools, after a ReLU (Zeiler & Fergus 2013). Here: negative elements count as 0.
    """

    name: ClassVar[str] = 'stochastic'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        key = layer.make_rng('downsample') if train else None
        return ops.stochastic_pool(x, **self.windows, train=train, key=key)


@dataclass(frozen=True)
class LIP(Pool):
    """Local importance-based pooling with learned logits (Gao 2019); ceil(n / stride).

    The logits are those of the paper's simplest form at every site: 'kernel', a 3x3 convolution of
    all channels, starts at zero, that is, as average pooling; its instance norm starts at 'scale'
    one and 'bias' zero. With it ResNet-50 has 41,082,280 parameters. The authors' has 23,864,232:
    it uses this form only in the stem; in strided blocks the logits come from a bottleneck of 128
    features, which both branches share.

    Authors: the simple form at the stem's max pool; in strided blocks logits from a bottleneck of
    128 features that both branches share (Gao 2019); zero kernel: average pooling.
    """

    name: ClassVar[str] = 'lip'
    window: Window | None = 3
    padding: WindowPadding | None = field(default='same', kw_only=True)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        window = window_reach(self.window, self.padding, size)
        return added_reach(window, window_reach(3, 'same', size))  # the convolution of the logits

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        channels = x.shape[-1]
        kernel = layer.param('kernel', nn.initializers.zeros, (3, 3, channels, channels))
        scale = layer.param('scale', nn.initializers.ones, (channels,))
        bias = layer.param('bias', nn.initializers.zeros, (channels,))
        return ops.lip_pool(x, ops.lip_logits(x, kernel, scale, bias), **self.windows)


@dataclass(frozen=True)
class DetailPreserving(Strategy):
    """A mean weighted by how each element differs from its surroundings (Saeedan 2018).

    The power is e^'lambda' and the bias e^'alpha', each per channel and starting at zero (the
    authors' start uniform over +-1 / sqrt(channels)). The variant 'full' learns a 3x3 'kernel' per
    channel, which starts as an average.

    Authors: after a block's sum and ReLU (Saeedan 2018); lambda and alpha uniform over +-1 /
    sqrt(channels). Here: on both branches, before the sum; lambda and alpha start at 0. The
    stochastic variants are not included.
    """

    name: ClassVar[str] = 'detail_preserving'
    variant: Literal['lite', 'full'] = 'lite'
    symmetric: bool = True
    stride: Factor = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        surroundings = 1 if self.variant == 'full' else 0  # of each window's first element
        return ((surroundings, max(surroundings, self.stride - 1)),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        channels, kernel = x.shape[-1], None
        log_power = layer.param('lambda', nn.initializers.zeros, (channels,))
        log_bias = layer.param('alpha', nn.initializers.zeros, (channels,))
        if self.variant == 'full':
            kernel = layer.param('kernel', nn.initializers.constant(1 / 9), (3, 3, channels))
        return ops.detail_preserving_pool(
            x,
            stride=self.stride,
            power=jnp.exp(log_power),
            bias=jnp.exp(log_bias),
            symmetric=self.symmetric,
            kernel=kernel,
        )


@dataclass(frozen=True)
class Ada(Pool):
    """adaPool: a learned mix of similarity-weighted and soft means (Stergiou & Poppe 2022).

    `likeness` compares channel vectors, or with 'channel' single channels as in the authors' code.
    The share is sigmoid('beta'), initially one half (in the authors' code beta starts normal and is
    clamped to [0, 1]). With `per_location`, as in the paper, there is one beta per output location,
    so the layer works only at the input size that it was initialised with; others raise BadInput.

    Authors: only at the stem's max pool (Stergiou & Poppe 2022); beta normal, clamped to [0, 1].
    Here: at every site; beta = sigmoid of a parameter that starts at 0. Similarity of channel
    vectors as in the paper; of each channel, as in their code, with `likeness='channel'` (.22
    apart).
    """

    name: ClassVar[str] = 'ada'
    per_location: bool = True
    likeness: Likeness = 'vector'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        shape = output_size(x.shape[1:-1], **self.windows) if self.per_location else ()
        if layer.has_variable('params', 'beta'):
            known = jnp.shape(layer.get_variable('params', 'beta'))
            require(
                known == shape,
                f'beta has one value per output location, of shape {known}; '
                f'input {x.shape[1:-1]} needs {shape}: use per_location=False',
            )
        beta = jax.nn.sigmoid(layer.param('beta', nn.initializers.zeros, shape))
        return ops.ada_pool(x, **self.windows, beta=beta, likeness=self.likeness)


@dataclass(frozen=True)
class Ordinal(Pool):
    """Learned weights for the ranks of a window's elements (Kumar 2018).

    They are softmax('logits') over the ranks; logits start at zero, which is average pooling.

    Authors: at the pools (Kumar 2018); weights start at .6, .25, .1, .05 and are clipped and
    renormalised. Here: softmax of logits that start at 0, which is average pooling: it can approach
    max pooling but never reach it.
    """

    name: ClassVar[str] = 'ordinal'
    window: RankedWindow | None = None
    per_channel: bool = True

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        taps = self.windows['window'] ** 2
        shape = (taps, x.shape[-1]) if self.per_channel else (taps,)
        weights = jax.nn.softmax(layer.param('logits', nn.initializers.zeros, shape), axis=0)
        return ops.ordinal_pool(x, weights, **self.windows)


@dataclass(frozen=True)
class Rank(Pool):
    """Weights alpha (1 - alpha)^r for the ranks of a window's elements (Shi 2016, RWP).

    Authors: at the pools (Shi 2016); alpha fixed. Here: as described.
    """

    name: ClassVar[str] = 'rank'
    window: RankedWindow | None = None
    alpha: Annotated[float, Between(POSITIVE, 1)] = 0.5
    normalise: bool = False

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.rank_pool(x, **self.windows, alpha=self.alpha, normalise=self.normalise)


@dataclass(frozen=True)
class RankAverage(Pool):
    """The mean of the `top` largest elements of a window (Shi 2016, RAP).

    Authors: at the pools (Shi 2016); number of elements fixed. Here: as described.
    """

    name: ClassVar[str] = 'rank_average'
    window: RankedWindow | None = None
    top: Annotated[int, Between(1, 49)] = 2

    def __post_init__(self):
        super().__post_init__()
        Between(1, (self.window or WINDOW) ** 2).check('RankAverage: top', self.top, whole=True)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.rank_average_pool(x, **self.windows, top=self.top)


WEIGHTED = (
    Soft,
    LSE,
    GeM,
    Stochastic,
    LIP,
    DetailPreserving,
    Ada,
    Ordinal,
    Rank,
    RankAverage,
)
__all__ = [
    'Ada',
    'DetailPreserving',
    'GeM',
    'LIP',
    'LSE',
    'Ordinal',
    'Rank',
    'RankAverage',
    'Soft',
    'Stochastic',
]
