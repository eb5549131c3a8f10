"""Strategies that choose among the polyphase components, or mix them."""

from dataclasses import dataclass, replace
from typing import TypeVar, get_args

from jaxtyping import Array

from cnn_jax.modules.polyphase import LPSPool, TIPSPool
from cnn_jax.modules.strategies.base import (
    FILTER,
    STRIDE,
    WINDOW,
    Site,
    Strategy,
    check_choice,
    check_fill,
    check_floats,
    check_ints,
)
from cnn_jax.ops.learned_polyphase import Mode
from cnn_jax.ops.phases import SelectOn
from cnn_jax.ops.polyphase import Norm, aps_pool
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.windows import Fill

HIDDEN = (1, 4096)
LARGEST = 1e6


@dataclass(frozen=True)
class APS(Strategy):
    """Adaptive polyphase sampling (Chaman & Dokmanic, CVPR 2021).

    At a max pool's place it follows a stride-1 max over `window` that keeps the size, with the
    border that `padding` names; elsewhere there is no max. Shortcuts choose their own component:
    to share one takes `aps_pool(index=...)`.
    """

    window: int = 2
    filter_size: int = 1
    stride: int = 2
    padding: Fill = 'circular'
    norm: Norm = 'l2'
    select_on: SelectOn = 'input'

    def __post_init__(self):
        check_ints(self, window=WINDOW, filter_size=FILTER, stride=STRIDE)
        check_fill(self)
        check_choice(self, norm=get_args(Norm), select_on=get_args(SelectOn))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return aps_pool(
            _max_before(x, self.window, self.padding),
            stride=self.stride,
            filter_size=self.filter_size,
            padding=self.padding,
            norm=self.norm,
            select_on=self.select_on,
        )


@dataclass(frozen=True)
class LPS(Strategy):
    """Learnable polyphase sampling (Rojas-Gomez et al., NeurIPS 2022); the max is that of `APS`."""

    window: int = 2
    filter_size: int = 1
    stride: int = 2
    padding: Fill = 'circular'
    select_on: SelectOn = 'blurred'
    hidden: int = 16
    mode: Mode = 'gumbel'
    temperature: float = 1.0

    def __post_init__(self):
        check_ints(self, window=WINDOW, filter_size=FILTER, stride=STRIDE, hidden=HIDDEN)
        check_fill(self)
        check_choice(self, select_on=get_args(SelectOn), mode=get_args(Mode))
        check_floats(self, temperature=(1e-3, LARGEST))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def __call__(self, x: Array, *, train: bool) -> Array:
        pool = LPSPool(
            hidden=self.hidden,
            stride=self.stride,
            filter_size=self.filter_size,
            padding=self.padding,
            select_on=self.select_on,
            mode=self.mode,
            temperature=self.temperature,
        )
        return pool(_max_before(x, self.window, self.padding), train=train)


@dataclass(frozen=True)
class TIPS(Strategy):
    """Translation invariant polyphase sampling (Saha & Gokhale, WACV 2025).

    At a max pool's place it follows a stride-1 max over `window` that keeps the size.
    """

    window: int = 2
    stride: int = 2
    mixing_weight: float = 1.0
    undo_weight: float = 0.35

    def __post_init__(self):
        check_ints(self, window=WINDOW, stride=STRIDE)
        check_floats(self, mixing_weight=(0, LARGEST), undo_weight=(0, LARGEST))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def __call__(self, x: Array, *, train: bool) -> Array:
        pool = TIPSPool(self.stride, self.mixing_weight, self.undo_weight)
        return pool(_max_before(x, self.window, None), train=train)


_Polyphase = TypeVar('_Polyphase', APS, LPS, TIPS)


def _without_max(strategy: _Polyphase, site: Site) -> _Polyphase:
    return strategy if site == 'max_pool' else replace(strategy, window=1)


def _max_before(x: Array, window: int, fill: Fill | None) -> Array:
    return max_pool(x, window=window, stride=1, padding='same', fill=fill)
