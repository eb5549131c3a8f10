"""Strategies that weigh the elements of a window by their value, importance or rank."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from jaxtyping import Array

from cnn_jax.errors import require
from cnn_jax.modules.strategies.base import (
    POSITIVE,
    STRIDE,
    Strategy,
    WindowPadding,
    added_reach,
    check_choice,
    check_floats,
    check_ints,
    check_window,
    window_reach,
)
from cnn_jax.modules.strategies.plain import Pool
from cnn_jax.modules.weighted import (
    AdaPool,
    DetailPreservingPool,
    GeMPool,
    LIPPool,
    LSEPool,
    OrdinalPool,
    StochasticPool,
)
from cnn_jax.ops.importance import Likeness
from cnn_jax.ops.ranked import rank_average_pool, rank_pool
from cnn_jax.ops.weighted import soft_pool
from cnn_jax.ops.windows import Pairs

_RANKED = 7  # the largest window: every element is compared with every other


def _check_flags(strategy: object, *names: str) -> None:
    for name in names:
        value = vars(strategy)[name]
        require(
            isinstance(value, bool),
            f'{type(strategy).__name__}: {name} must be true or false; got {value!r}.',
        )


@dataclass(frozen=True)
class Soft(Pool):
    """Each window's mean, weighted by the exponential of its elements (Stergiou 2021).

    `weight_gradient=False` is the gradient of the authors' CUDA code: see `soft_pool`.
    """

    weight_gradient: bool = True

    def __post_init__(self):
        super().__post_init__()
        _check_flags(self, 'weight_gradient')

    def __call__(self, x: Array, *, train: bool) -> Array:
        return soft_pool(x, **self.windows, weight_gradient=self.weight_gradient)


@dataclass(frozen=True)
class LSE(Pool):
    """The log of the mean exponential, with a learned sharpness from `r` (Pinheiro 2015)."""

    r: float = 10.0
    per_channel: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_floats(self, r=(POSITIVE, 1000))
        _check_flags(self, 'per_channel')

    def __call__(self, x: Array, *, train: bool) -> Array:
        return LSEPool(**self.windows, r=self.r, per_channel=self.per_channel)(x)


@dataclass(frozen=True)
class GeM(Pool):
    """The generalised mean, with a learned power from `p` (Radenovic 2019)."""

    p: float = 3.0
    per_channel: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_floats(self, p=(POSITIVE, 100))
        _check_flags(self, 'per_channel')

    def __call__(self, x: Array, *, train: bool) -> Array:
        return GeMPool(**self.windows, p=self.p, per_channel=self.per_channel)(x)


@dataclass(frozen=True)
class Stochastic(Pool):
    """An element drawn by its size in training, the expected one after it (Zeiler 2013)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return StochasticPool(**self.windows)(x, train=train)


@dataclass(frozen=True)
class LIP(Pool):
    """Local importance-based pooling with learned logits (Gao 2019); ceil(n / stride).

    The logits are those of the paper's simplest form, a 3x3 convolution of all channels at every
    site: see `LIPPool` for what the authors' ResNet-50 has instead.
    """

    window: int | None = 3
    padding: WindowPadding | None = field(default='same', kw_only=True)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        window = window_reach(self.window or 2, self.padding or 'valid', size)
        return added_reach(window, window_reach(3, 'same', size))  # the convolution of the logits

    def __call__(self, x: Array, *, train: bool) -> Array:
        return LIPPool(**self.windows)(x)


@dataclass(frozen=True)
class DetailPreserving(Strategy):
    """A mean weighted by how each element differs from its surroundings (Saeedan 2018)."""

    variant: Literal['lite', 'full'] = 'lite'
    symmetric: bool = True
    stride: int = 2

    def __post_init__(self):
        check_ints(self, stride=STRIDE)
        check_choice(self, variant=('lite', 'full'))
        _check_flags(self, 'symmetric')

    def reach(self, size: Sequence[int]) -> Pairs | None:
        surroundings = 1 if self.variant == 'full' else 0  # of each window's first element
        return ((surroundings, max(surroundings, self.stride - 1)),) * len(size)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return DetailPreservingPool(self.variant, self.symmetric, self.stride)(x)


@dataclass(frozen=True)
class Ada(Pool):
    """adaPool: a learned mix of a mean by likeness and a soft mean (Stergiou & Poppe 2022).

    `likeness` is that of the channel vectors, or 'channel' as in the authors' code.
    """

    per_location: bool = True
    likeness: Likeness = 'vector'

    def __post_init__(self):
        super().__post_init__()
        _check_flags(self, 'per_location')
        check_choice(self, likeness=get_args(Likeness))

    def __call__(self, x: Array, *, train: bool) -> Array:
        options = {'per_location': self.per_location, 'likeness': self.likeness}
        return AdaPool(**self.windows, **options)(x)


@dataclass(frozen=True)
class Ordinal(Pool):
    """Learned weights for the ranks of a window's elements (Kumar 2018)."""

    per_channel: bool = True

    def __post_init__(self):
        super().__post_init__()
        check_window(self, most=_RANKED)
        _check_flags(self, 'per_channel')

    def __call__(self, x: Array, *, train: bool) -> Array:
        return OrdinalPool(**self.windows, per_channel=self.per_channel)(x)


@dataclass(frozen=True)
class Rank(Pool):
    """Weights alpha (1 - alpha)^r for the ranks of a window's elements (Shi 2016, RWP)."""

    alpha: float = 0.5
    normalise: bool = False

    def __post_init__(self):
        super().__post_init__()
        check_window(self, most=_RANKED)
        check_floats(self, alpha=(POSITIVE, 1))
        _check_flags(self, 'normalise')

    def __call__(self, x: Array, *, train: bool) -> Array:
        return rank_pool(
            x,
            **self.windows,
            alpha=self.alpha,
            normalise=self.normalise,
        )


@dataclass(frozen=True)
class RankAverage(Pool):
    """The mean of the `top` largest elements of a window (Shi 2016, RAP)."""

    top: int = 2

    def __post_init__(self):
        super().__post_init__()
        check_window(self, most=_RANKED)
        check_ints(self, top=(1, (self.window or 2) ** 2))

    def __call__(self, x: Array, *, train: bool) -> Array:
        return rank_average_pool(x, **self.windows, top=self.top)
