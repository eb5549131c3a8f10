"""Strategies that low-pass filter before they subsample."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, ClassVar, Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.errors import require
from cnn_jax.fields import Between
from cnn_jax.ops.adaptive_blur import EDGE_REACH, Normalise, blur_padded
from cnn_jax.ops.windows import Fill, Pairs, require_2d, spatial_rank
from cnn_jax.strategies.base import (
    WINDOW,
    Factor,
    FilterSize,
    Site,
    Strategy,
    Window,
    WindowPadding,
    added_reach,
    window_at,
    window_reach,
)


@dataclass(frozen=True)
class Blur(Strategy):
    """Binomial blur and subsampling instead of pooling (Zhang 2019).

    Authors: instead of average pools; on shortcuts (Zhang 2019); binomial filter, fixed. Here: at
    every site; no max before it.
    """

    name: ClassVar[str] = 'blur'
    filter_size: FilterSize = 3
    stride: Factor = 2
    padding: Fill = 'reflect'

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return window_reach(self.filter_size, 'same', size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.blur_pool(
            x, filter_size=self.filter_size, stride=self.stride, padding=self.padding
        )


@dataclass(frozen=True)
class AfterWindow(Strategy):
    """Fields of the blurs that follow pooling at stride 1, as Zhang 2019 places them.

    A `window` of None means the window and padding of the pooling layer that this replaces;
    elsewhere 2, with 'valid' padding. A `window` of 1 leaves the pooling out, as happens at a
    network's strided convolutions and, if no window is given, at its average pools.
    `padding` fills the border of the blur.
    """

    window: Window | None = None
    filter_size: FilterSize = 3
    stride: Factor = 2
    padding: Fill = 'reflect'
    window_padding: WindowPadding | None = field(default=None, kw_only=True)

    def max_before(self, x: Array) -> Array:
        """The max pooling at stride 1 before the blur."""
        window, padding = self.window or WINDOW, self.window_padding or 'valid'
        return ops.max_pool(x, window=window, stride=1, padding=padding)

    def at(self, site: Site) -> Strategy:
        window, padding = window_at(site, self.window, self.window_padding, everywhere=False)
        return replace(self, window=window, window_padding=padding)

    def filter_reach(self, size: Sequence[int]) -> Pairs:
        """The reach of the filter that follows the pooling."""
        return window_reach(self.filter_size, 'same', size)

    def reach(self, size: Sequence[int]) -> Pairs | None:
        window = window_reach(self.window, self.window_padding, size)
        return added_reach(window, self.filter_reach(size))

    @property
    def _options(self) -> dict:
        """The keyword arguments of the ops that pool and blur."""
        return {
            'window': self.window or WINDOW,
            'filter_size': self.filter_size,
            'stride': self.stride,
            'padding': self.padding,
            'window_padding': self.window_padding or 'valid',
        }


@dataclass(frozen=True)
class MaxBlur(AfterWindow):
    """Max pooling at stride 1, then binomial blur and subsampling (Zhang 2019).

    Authors: instead of max pools, a max at stride 1 before the blur; after the activation of
    strided convolutions, the first convolution left out (Zhang 2019); binomial filter, fixed, 4
    taps in the code. Here: 3 taps by default; `downsample_first` blurs the first convolution too.
    Their ResNet takes a 2x2 max where the published one has 3x3: ours keeps 3x3 unless `window=2`.
    """

    name: ClassVar[str] = 'max_blur'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.max_blur_pool(x, **self._options)


@dataclass(frozen=True)
class PyramidBlur(AfterWindow):
    """`MaxBlur` with longer filters on larger maps: a filter size for each site.

    `filters` holds pairs (least side of the map, filter size), the largest first; maps smaller than
    all of these sides use `filter_size`.

    Authors: filters of 7, 5, 3 and 2 taps by depth (Moshtaf, "Pyramidal BlurPool"). Here: by the
    map's shorter side, so that it works with any network and image size.
    """

    name: ClassVar[str] = 'pyramid_blur'
    filter_size: FilterSize = 2
    filters: tuple[tuple[int, int], ...] = field(default=((32, 7), (16, 5), (8, 3)), kw_only=True)

    def __post_init__(self):
        super().__post_init__()
        pairs = self.filters if isinstance(self.filters, tuple) else ()
        fits = all(
            isinstance(pair, tuple)
            and len(pair) == 2
            and all(type(value) is int for value in pair)
            and pair[0] >= 1
            and 1 <= pair[1] <= 7
            for pair in pairs
        )
        sides = [pair[0] for pair in pairs] if fits else []
        require(
            len(sides) > 0 and sides == sorted(set(sides), reverse=True),
            'PyramidBlur: filters must be pairs (least side of the map, filter size from 1 to 7), '
            f'the largest side first; got {self.filters!r}.',
        )

    def filter_for(self, size: Sequence[int]) -> int:
        """The filter size on maps of that size.

        >>> [PyramidBlur().filter_for((n, n)) for n in (28, 14, 7)]
        [5, 3, 2]
        """
        return next((k for side, k in self.filters if min(size) >= side), self.filter_size)

    def filter_reach(self, size: Sequence[int]) -> Pairs:
        return window_reach(self.filter_for(size), 'same', size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        options = {**self._options, 'filter_size': self.filter_for(x.shape[1:-1])}
        return ops.max_blur_pool(x, **options)


@dataclass(frozen=True)
class AvgBlur(AfterWindow):
    """Average pooling at stride 1, then binomial blur and subsampling.

    No paper of its own. `max_blur` with an average in place of the max.
    """

    name: ClassVar[str] = 'avg_blur'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        return ops.avg_blur_pool(x, **self._options)


@dataclass(frozen=True)
class EdgeAware(AfterWindow):
    """`MaxBlur` that leaves edges unblurred (kornia's EdgeAwareBlurPool2D), then subsamples.

    Authors: kornia's layer blurs at stride 1 and does not downsample. Here: a max, that blur, then
    every `stride`-th element; defined for positive values.
    """

    name: ClassVar[str] = 'edge_aware'
    edge_threshold: Annotated[float, Between(math.nextafter(1.0, 2.0))] = 1.25
    edge_dilation: Annotated[int, Between(1, 64)] = 3

    def __post_init__(self):
        super().__post_init__()
        require(
            self.edge_dilation % 2 == 1,
            f'EdgeAware: edge_dilation must be odd; got {self.edge_dilation!r}.',
        )

    def filter_reach(self, size: Sequence[int]) -> Pairs:
        edge = EDGE_REACH + self.edge_dilation // 2
        return tuple((max(edge, low), max(edge, high)) for low, high in super().filter_reach(size))

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        x = ops.edge_aware_blur(
            self.max_before(x),
            filter_size=self.filter_size,
            edge_threshold=self.edge_threshold,
            edge_dilation=self.edge_dilation,
            padding=self.padding,
        )
        return ops.subsample(x, stride=self.stride)


@dataclass(frozen=True)
class LearnedBlur(AfterWindow):
    """`MaxBlur` (Zhang 2019) with a learned filter, one for the layer or one per channel.

    The parameter 'logits' starts at the logits of the binomial filter.

    No paper of its own. `max_blur` with softmax weights that start at the binomial filter.
    """

    name: ClassVar[str] = 'learned_blur'
    share: Literal['layer', 'channel'] = 'channel'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        start = jnp.asarray(ops.binomial_logits(self.filter_size, spatial_rank(x)), jnp.float32)
        if self.share == 'channel':
            start = jnp.stack([start] * x.shape[-1], -1)
        logits = layer.param('logits', lambda key: start)
        return ops.learned_blur_pool(
            self.max_before(x), logits, stride=self.stride, padding=self.padding
        )


@dataclass(frozen=True)
class DDAC(AfterWindow):
    """`MaxBlur` with a filter for each position, from its features (Zou et al., BMVC 2020).

    The logits are the batch norm of a convolution with the filter's size and border and no bias, so
    2-D only; `groups` must divide the channels. Deviation: the paper's code convolves at stride 1
    and then subsamples, so its batch statistics are those of all positions; here the convolution
    has the stride, so they are those of the kept positions. All else is equal, at 1 / stride^2 of
    the cost.

    Authors: in place of every blur but the first convolution's (Zou 2020); convolution and batch
    norm by the framework's defaults.
    """

    name: ClassVar[str] = 'ddac'
    groups: Annotated[int, Between(1, 4096)] = 8
    normalise: Normalise = 'group'

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        require_2d('DDAC', x)
        require(
            x.shape[-1] % self.groups == 0,
            f'groups must divide the {x.shape[-1]} channels; got {self.groups}',
        )
        x = self.max_before(x)
        blur = {'filter_size': self.filter_size, 'padding': self.padding}
        padded = blur_padded(x, **blur)
        features = self.groups * self.filter_size**2
        logits = layer.conv_norm(
            padded, features, self.filter_size, stride=self.stride, train=train
        )
        blur |= {'stride': self.stride, 'normalise': self.normalise}
        return ops.adaptive_blur_pool(x, logits, **blur)


@dataclass(frozen=True)
class Wavelet(Strategy):
    """The low band of a discrete wavelet transform (Li et al., CVPR 2020, "WaveCNet").

    Applies the wavelet's low-pass filter along each axis, then keeps every `stride`-th element; the
    high bands are dropped. Haar's low band is a scaled average pool, so only longer filters add
    anything. All are scaled to a gain of 1; the transform itself has a gain of 2 in two dimensions.

    Authors: in place of max pools, strided convolutions and average pools, db3 to db5 and others;
    borders are cut, odd sizes rounded down. Here: borders filled, sizes rounded up as by `blur`.
    """

    name: ClassVar[str] = 'wavelet'
    wavelet: Literal['haar', 'db2', 'db3', 'db4', 'bior3.3'] = 'db2'
    stride: Factor = 2
    padding: Fill = 'reflect'

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return window_reach(len(ops.wavelet_filter(self.wavelet)), 'same', size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        weights = ops.wavelet_filter(self.wavelet)
        return ops.blur_pool(x, filter_size=weights, stride=self.stride, padding=self.padding)


BLURRED = (Blur, MaxBlur, PyramidBlur, AvgBlur, EdgeAware, LearnedBlur, DDAC, Wavelet)
__all__ = [
    'AvgBlur',
    'Blur',
    'DDAC',
    'EdgeAware',
    'LearnedBlur',
    'MaxBlur',
    'PyramidBlur',
    'Wavelet',
]
