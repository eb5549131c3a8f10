"""Strategies that learn how to combine the maximum and the mean, or linear filters."""

from dataclasses import dataclass

from jaxtyping import Array

from cnn_jax.modules.combined import SHARES, GatedPool, MixedPool, Share, TreePool
from cnn_jax.modules.strategies.base import check_choice, check_ints
from cnn_jax.modules.strategies.plain import Pool

_DEPTH = (2, 6)


@dataclass(frozen=True)
class Combined(Pool):
    """Fields of the combined pools; `share` says what has weights of its own."""

    share: Share = 'layer'

    def __post_init__(self):
        super().__post_init__()
        check_choice(self, share=SHARES)

    @property
    def one_for_all(self) -> bool:
        return self.share == 'net'


@dataclass(frozen=True)
class Mixed(Combined):
    """A learned share of max pooling, the rest average pooling (Lee et al. 2016, section 3.1)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return MixedPool(**self.windows, share=self.share)(x)


@dataclass(frozen=True)
class Gated(Combined):
    """Max and average pooling in a share that answers to the window (Lee et al. 2016, 3.1)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return GatedPool(**self.windows, share=self.share)(x)


@dataclass(frozen=True)
class Tree(Combined):
    """A binary tree of `depth` levels of gated linear filters (Lee et al. 2016, section 3.2)."""

    depth: int = 2

    def __post_init__(self):
        super().__post_init__()
        check_ints(self, depth=_DEPTH)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return TreePool(**self.windows, share=self.share, depth=self.depth)(x)
