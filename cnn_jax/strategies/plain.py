"""Strategies without parameters that pool a window or subsample."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.fields import POSITIVE, Between
from cnn_jax.ops.windows import Pairs
from cnn_jax.strategies.base import (
    WINDOW,
    Choice,
    ChoiceKind,
    Factor,
    Site,
    Strategy,
    Window,
    WindowPadding,
    window_at,
    window_reach,
)


@dataclass(frozen=True)
class Pool(Strategy):
    """Fields of the strategies that pool a window.

    A `window` of None means the window and padding of the pooling layer that this replaces
    (3 and 1 in ResNet's stem); elsewhere 2, with 'valid' padding.
    """

    window: Window | None = None
    stride: Factor = 2
    padding: WindowPadding | None = field(default=None, kw_only=True)

    @property
    def windows(self) -> dict:
        """Window, stride and padding as keyword arguments of an op."""
        padding = self.padding or 'valid'
        return {'window': self.window or WINDOW, 'stride': self.stride, 'padding': padding}

    def at(self, site: Site) -> Strategy:
        window, padding = window_at(site, self.window, self.padding, everywhere=True)
        return replace(self, window=window, padding=padding)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return window_reach(self.window, self.padding, size)


@dataclass(frozen=True)
class _Sample(Strategy):
    """Strategies whose only field is the stride."""

    stride: Factor = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((0, 0),) * len(size)


@dataclass(frozen=True)
class Stride(_Sample):
    """No pooling: the convolution before the layer takes the stride.

    Authors: the preceding convolution strides (Springenberg 2015). Here: where no convolution
    precedes, every `stride`-th element.
    """

    name: ClassVar[str] = 'stride'

    @property
    def conv_stride(self) -> int:
        return self.stride

    def at(self, site: Site) -> Strategy:
        return self if site.after_conv else Subsample(self.stride)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return x


@dataclass(frozen=True)
class Avg(Pool):
    """Average pooling.

    Authors: at the network's pools. Here: padding is not counted unless `fill` says what it holds.
    """

    name: ClassVar[str] = 'avg'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.avg_pool(x, **self.windows)


@dataclass(frozen=True)
class Max(Pool):
    """Max pooling; without a `window`, the published network, which elsewhere strides or averages.

    Authors: at max pools; strided convolutions and average pools stay. Here: the published network;
    with a `window` of its own it pools at average pools too.
    """

    name: ClassVar[str] = 'max'
    CHOICE: ClassVar[ChoiceKind] = 'places'

    def at(self, site: Site) -> Strategy:
        if site.pools(self.window):
            return super().at(site)
        if site.kind == 'avg_pool':
            return Avg(stride=self.stride, padding=self.padding).at(site)
        return Stride(self.stride)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.max_pool(x, **self.windows)

    def down_with_choice(
        self, x: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Choice | None]:
        y, places = ops.max_pool_with_places(x, **self.windows)
        return y, Choice(places, {**self.windows, 'size': x.shape[1:-1]})


@dataclass(frozen=True)
class Min(Pool):
    """Min pooling.

    No paper of its own.
    """

    name: ClassVar[str] = 'min'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.min_pool(x, **self.windows)


@dataclass(frozen=True)
class Sum(Pool):
    """Sum pooling.

    No paper of its own. No division, so values grow by the size of the window at every site.
    """

    name: ClassVar[str] = 'sum'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.sum_pool(x, **self.windows)


@dataclass(frozen=True)
class Lp(Pool):
    """The p-norm of each window (Sermanet 2012), divided by its size with form 'mean'.

    Authors: at the pools of a two-stage network (Sermanet 2012); p fixed. Here: absolute values, so
    that no signs remain at odd p; `form='mean'` divides by the size of the window.
    """

    name: ClassVar[str] = 'lp'
    p: Annotated[float, Between(POSITIVE, 100)] = 2.0
    form: Literal['mean', 'sum'] = 'mean'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.lp_pool(x, **self.windows, p=self.p, form=self.form)


@dataclass(frozen=True)
class Gaussian(Pool):
    """An average weighted by the distance from the centre; `sigma` in elements.

    No paper of its own. Weights are divided by their sum.
    """

    name: ClassVar[str] = 'gaussian'
    window: Window | None = 3
    padding: WindowPadding | None = field(default='same', kw_only=True)
    sigma: Annotated[float, Between(POSITIVE, 1000)] = 1.0

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.gaussian_pool(x, **self.windows, sigma=self.sigma)


@dataclass(frozen=True)
class Median(Pool):
    """The median of each window.

    No paper of its own. For an even number of elements, the mean of the middle two.
    """

    name: ClassVar[str] = 'median'
    window: Window | None = 3
    padding: WindowPadding | None = field(default='same', kw_only=True)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.median_pool(x, **self.windows)


@dataclass(frozen=True)
class Subsample(_Sample):
    """Every `stride`-th element, without any filter.

    No paper of its own. Every `stride`-th element of a map computed at full size.
    """

    name: ClassVar[str] = 'subsample'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.subsample(x, stride=self.stride)


@dataclass(frozen=True)
class SpaceToDepth(_Sample):
    """Blocks of elements become channels: nothing is lost, the channels grow by stride^2.

    Authors: instead of strided convolutions. Here: channels grow by stride^2, and with them the
    next layer.
    """

    name: ClassVar[str] = 'space_to_depth'

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((0, self.stride - 1),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.space_to_depth(x, stride=self.stride)


@dataclass(frozen=True)
class _Adaptive(_Sample):
    """Strategies of nearly equal windows, whose number is the size divided by `stride`.

    On an axis that the stride does not divide, windows differ; `reach` covers all of them.
    """

    def out(self, size: Sequence[int]) -> tuple[int, ...]:
        """How many windows each axis has."""
        return tuple(-(-n // self.stride) for n in size)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        reach = []
        for n, m in zip(size, self.out(size), strict=True):
            before = max(i * self.stride - i * n // m for i in range(m))
            after = max(-(-(i + 1) * n // m) - 1 - i * self.stride for i in range(m))
            reach.append((before, after))
        return tuple(reach)


@dataclass(frozen=True)
class AdaptiveAvg(_Adaptive):
    """The average of nearly equal windows, whose number is the size divided by `stride`.

    Authors: the last layer before a classifier. Here: at every site, with a fixed number of nearly
    equal windows.
    """

    name: ClassVar[str] = 'adaptive_avg'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.adaptive_avg_pool(x, size=self.out(x.shape[1:-1]))


@dataclass(frozen=True)
class AdaptiveMax(_Adaptive):
    """The maximum of nearly equal windows, whose number is the size divided by `stride`.

    Authors: the last layer before a classifier. Here: at every site, with a fixed number of nearly
    equal windows.
    """

    name: ClassVar[str] = 'adaptive_max'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.adaptive_max_pool(x, size=self.out(x.shape[1:-1]))


@dataclass(frozen=True)
class NoDownsampling(Strategy):
    """Keeps every element: no map shrinks at a site of the network.

    A control: the upper bound on shift consistency, at the price of maps that stay large (four
    times the work after each site of stride 2). Receptive fields are smaller, since nothing is
    dilated; in a network that flattens its last map the dense layer grows accordingly. Layers that
    are not sites, such as the stem of the form for large images, still stride.

    No paper of its own.
    """

    name: ClassVar[str] = 'none'
    stride: Factor = 2  # of the site; not applied

    @property
    def sampling(self) -> int:
        return 1

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((0, 0),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return x


PLAIN = (
    Max,
    Min,
    Avg,
    Sum,
    Lp,
    Gaussian,
    Median,
    Stride,
    Subsample,
    SpaceToDepth,
    AdaptiveAvg,
    AdaptiveMax,
    NoDownsampling,
)
__all__ = [
    'AdaptiveAvg',
    'AdaptiveMax',
    'Avg',
    'Gaussian',
    'Lp',
    'Max',
    'Median',
    'Min',
    'NoDownsampling',
    'SpaceToDepth',
    'Stride',
    'Subsample',
    'Sum',
]
