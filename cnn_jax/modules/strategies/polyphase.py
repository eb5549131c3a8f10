"""Strategies that choose among the polyphase components, or mix them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, get_args

from jaxtyping import Array

from cnn_jax.modules.polyphase import MIXING_WEIGHT, UNDO_WEIGHT, LPSWeights, TIPSPool
from cnn_jax.modules.strategies.base import (
    FILTER,
    STRIDE,
    Site,
    Strategy,
    added_reach,
    check_choice,
    check_fill,
    check_floats,
    check_ints,
    check_window,
    window_reach,
)
from cnn_jax.ops.learned_polyphase import Mode, lps_pool
from cnn_jax.ops.phases import SelectOn
from cnn_jax.ops.polyphase import Norm, aps_index, aps_pool
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.windows import Fill, Pairs

HIDDEN = (1, 4096)
LARGEST = 1e6


@dataclass(frozen=True)
class APS(Strategy):
    """Adaptive polyphase sampling (Chaman & Dokmanic, CVPR 2021).

    At a max pool's place it follows a stride-1 max over `window` that keeps the size, with the
    border that `padding` names; elsewhere there is no max. A shortcut takes the component that was
    chosen on the main branch. `select_on` is 'input' in the authors' networks for CIFAR and
    'blurred' in those for ImageNet.
    """

    window: int | None = None
    filter_size: int = 1
    stride: int = 2
    padding: Fill = 'circular'
    norm: Norm = 'l2'
    select_on: SelectOn = 'input'

    def __post_init__(self):
        check_window(self, padding=None)
        check_ints(self, filter_size=FILTER, stride=STRIDE)
        check_fill(self)
        check_choice(self, norm=get_args(Norm), select_on=get_args(SelectOn))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return _reach(self.window, self.filter_size, self.stride, size)

    def __call__(self, x: Array, *, train: bool) -> Array:
        x = _max_before(x, self.window, self.padding)
        return aps_pool(x, **_pool_options(self), norm=self.norm, select_on=self.select_on)

    def branches(self, main: Array, shortcut: Array, *, train: bool) -> tuple[Array, Array]:
        blur = {'filter_size': self.filter_size if self.select_on == 'blurred' else 1}
        index = aps_index(main, **{**_pool_options(self), **blur}, norm=self.norm)
        first, second = (aps_pool(x, **_pool_options(self), index=index) for x in (main, shortcut))
        return first, second


@dataclass(frozen=True)
class LPS(Strategy):
    """Learnable polyphase sampling (Rojas-Gomez et al., NeurIPS 2022); the max is that of `APS`.

    With a filter and `select_on='blurred'`, the authors' default, components can tie exactly (see
    `lps_logits`), and a circular network is then not exactly indifferent to shifts; 'input' is.
    """

    window: int | None = None
    filter_size: int = 1
    stride: int = 2
    padding: Fill = 'circular'
    select_on: SelectOn = 'blurred'
    hidden: int = 16
    mode: Mode = 'gumbel'
    temperature: float = 1.0

    def __post_init__(self):
        check_window(self, padding=None)
        check_ints(self, filter_size=FILTER, stride=STRIDE, hidden=HIDDEN)
        check_fill(self)
        check_choice(self, select_on=get_args(SelectOn), mode=get_args(Mode))
        check_floats(self, temperature=(1e-3, LARGEST))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return _reach(self.window, self.filter_size, self.stride, size)

    def __call__(self, x: Array, *, train: bool) -> Array:
        x = _max_before(x, self.window, self.padding)
        return lps_pool(x, self._weights(x, train), **_pool_options(self))

    def branches(self, main: Array, shortcut: Array, *, train: bool) -> tuple[Array, Array]:
        weights = self._weights(main, train)
        first, second = (lps_pool(x, weights, **_pool_options(self)) for x in (main, shortcut))
        return first, second

    def _weights(self, x: Array, train: bool) -> Array:
        scorer = LPSWeights(
            **_pool_options(self),
            hidden=self.hidden,
            select_on=self.select_on,
            mode=self.mode,
            temperature=self.temperature,
        )
        return scorer(x, train=train)


@dataclass(frozen=True)
class TIPS(Strategy):
    """Translation invariant polyphase sampling (Saha & Gokhale, WACV 2025).

    At a max pool's place it follows a stride-1 max over `window` that keeps the size. The weights
    are those of its two losses, of which the mean over all layers counts, to the task's loss.
    """

    window: int | None = None
    stride: int = 2
    mixing_weight: float = MIXING_WEIGHT
    undo_weight: float = UNDO_WEIGHT

    def __post_init__(self):
        check_window(self, padding=None)
        check_ints(self, stride=STRIDE)
        check_floats(self, mixing_weight=(0, LARGEST), undo_weight=(0, LARGEST))

    def at(self, site: Site) -> Strategy:
        return _without_max(self, site)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        filled = [-n % self.stride for n in size]  # at the low end
        reach = _reach(self.window, 1, self.stride, size)
        return added_reach(reach, tuple((low, -low) for low in filled))

    def __call__(self, x: Array, *, train: bool) -> Array:
        pool = TIPSPool(self.stride, self.mixing_weight, self.undo_weight)
        return pool(_max_before(x, self.window, None), train=train)


_Polyphase = TypeVar('_Polyphase', APS, LPS, TIPS)


def _pool_options(strategy: APS | LPS) -> dict:
    return {
        'stride': strategy.stride,
        'filter_size': strategy.filter_size,
        'padding': strategy.padding,
    }


def _without_max(strategy: _Polyphase, site: Site) -> _Polyphase:
    if not site.pools(strategy.window):
        return replace(strategy, window=1)
    return strategy if strategy.window is not None else replace(strategy, window=site.window)


def _max_before(x: Array, window: int | None, fill: Fill | None) -> Array:
    return max_pool(x, window=window or 2, stride=1, padding='same', fill=fill)


def _reach(window: int | None, filter_size: int, stride: int, size: Sequence[int]) -> Pairs:
    """All components count, since which of them is chosen depends on the image."""
    blocks = ((0, stride - 1),) * len(size)
    centred = (window_reach(w, 'same', size) for w in (window or 2, filter_size))
    return added_reach(*centred, blocks)
