"""Strategies that low-pass filter before they subsample."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.modules.strategies.base import (
    FILTER,
    STRIDE,
    Site,
    Strategy,
    WindowPadding,
    added_reach,
    check_fill,
    check_ints,
    check_window,
    window_reach,
)
from cnn_jax.ops.windows import Fill, Pairs


@dataclass(frozen=True)
class Blur(Strategy):
    """Binomial blur and subsampling in place of the pooling (Zhang 2019)."""

    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'

    def __post_init__(self):
        check_ints(self, filter_size=FILTER, stride=STRIDE)
        check_fill(self)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return window_reach(self.filter_size, 'same', size)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.blur_pool(
            x, filter_size=self.filter_size, stride=self.stride, padding=self.padding
        )


@dataclass(frozen=True)
class AfterWindow(Strategy):
    """Fields of the blurs that follow a pool of stride 1, as Zhang 2019 places them.

    A `window` of None stands for the window, and the padding, of the pooling layer whose place
    this takes; elsewhere for 2, with 'valid' padding. A `window` of 1 leaves that pool out, as at
    the strided convolutions of a network and, without a window given, at its average pools.
    `padding` fills the border of the blur.
    """

    window: int | None = None
    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'
    window_padding: WindowPadding | None = field(default=None, kw_only=True)

    def __post_init__(self):
        check_window(self, padding='window_padding')
        check_ints(self, filter_size=FILTER, stride=STRIDE)
        check_fill(self)

    @property
    def windows(self) -> dict:
        """The window, stride and padding of the pool before the blur, as an op's arguments."""
        padding = self.window_padding or 'valid'
        return {'window': self.window or 2, 'stride': 1, 'padding': padding}

    def at(self, site: Site) -> Strategy:
        if not site.pools(self.window):
            return replace(self, window=1, window_padding='valid')
        if self.window is not None:
            return self
        padding = self.window_padding or site.padding
        return replace(self, window=site.window, window_padding=padding)

    def filter_reach(self, size: Sequence[int]) -> Pairs:
        """The reach of what follows the pool."""
        return window_reach(self.filter_size, 'same', size)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        window = window_reach(self.window or 2, self.window_padding or 'valid', size)
        return added_reach(window, self.filter_reach(size))


@dataclass(frozen=True)
class MaxBlur(AfterWindow):
    """Max pooling at stride 1, then binomial blur and subsampling (Zhang 2019)."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.max_blur_pool(
            x,
            window=self.window or 2,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
            window_padding=self.window_padding or 'valid',
        )


@dataclass(frozen=True)
class AvgBlur(AfterWindow):
    """Average pooling at stride 1, then binomial blur and subsampling."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.avg_blur_pool(
            x,
            window=self.window or 2,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
            window_padding=self.window_padding or 'valid',
        )
