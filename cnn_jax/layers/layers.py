"""The layers that a network is built from, with the options that they share."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.errors import unknown_name
from cnn_jax.layers.activation import PolynomialActivation
from cnn_jax.layers.average import Average
from cnn_jax.layers.batch_norm import BatchNorm
from cnn_jax.layers.conv import Conv
from cnn_jax.layers.downsample import Downsample, DownsampleBranches, DownsampleWithChoice
from cnn_jax.layers.map_norm import MapLayerNorm
from cnn_jax.ops.compiled import computed_once
from cnn_jax.ops.windows import FILLS, Fill, Padding
from cnn_jax.strategies import SHORTCUT, STRIDED_CONV, Choice, Site, Strategy

Map = Float[Array, 'batch _ _ _']  # height, width and channels differ from layer to layer
_ACTIVATIONS: Mapping[str, Callable[[Array], Array]] = {
    'relu': jax.nn.relu,
    'relu6': jax.nn.relu6,
    'sigmoid': jax.nn.sigmoid,
    'tanh': jax.numpy.tanh,
    'gelu': lambda x: jax.nn.gelu(x, approximate=False),
    'silu': jax.nn.silu,
}
ACTIVATIONS = (*_ACTIVATIONS, 'quadratic')
NORMS = ('batch', 'layer', 'map_layer', 'group', 'none')
_GROUPS = 32  # of norm 'group' (Wu & He 2018); one group if 32 does not divide the channels


@dataclass(frozen=True)
class Layers:
    """Makes and calls the layers of a network; used inside its compact methods.

    `activation` is one of ACTIVATIONS, where 'quadratic' is the learned polynomial of alias-free
    convnets; `norm` is one of NORMS, where 'map_layer' is the layer norm of alias-free convnets.
    `fill` says what the padding of convolutions holds: exact consistency under circular shifts
    needs 'circular', with even map sizes throughout. `strict` refuses maps on which the windows of
    a convolution do not fit evenly.

    With `one_axis` all maps have a height of 1: windows, strides and padding are those of the
    published network along the width, and a strategy gets maps (batch, width, channels).
    """

    strategy: Strategy
    train: bool
    activation: str = 'relu'
    norm: str = 'batch'
    norm_epsilon: float = 1e-5
    fill: Fill = 'zero'
    strict: bool = False
    one_axis: bool = False
    shared: Downsample | None = None  # the one pooling layer of all sites, if the strategy has one

    def __post_init__(self):
        for kind, given, allowed in (
            ('activation', self.activation, ACTIVATIONS),
            ('norm', self.norm, NORMS),
            ('fill', self.fill, FILLS),
        ):
            if given not in allowed:
                raise unknown_name(kind, str(given), allowed)

    def conv(
        self,
        x: Map,
        features: int,
        window: int,
        *,
        name: str,
        stride: int = 1,
        padding: Padding = 'same',
        groups: int = 1,
        use_bias: bool = False,
        bias_start: float = 0.0,
    ) -> Map:
        """A convolution."""
        if self.one_axis and not isinstance(padding, str):
            padding = ((0, 0), tuple(padding)[-1])
        return Conv(
            features,
            (1, window) if self.one_axis else window,
            stride=(1, stride) if self.one_axis else stride,
            padding=padding,
            fill=self.fill,
            groups=groups,
            strict=self.strict,
            use_bias=use_bias,
            bias_start=bias_start,
            name=name,
        )(x)

    def normalise(self, x: Map, *, name: str) -> Map:
        """The network's norm, with statistics in float32."""
        if self.norm == 'batch':
            return BatchNorm(not self.train, self.norm_epsilon, name=name)(x)
        if self.norm == 'map_layer':
            return MapLayerNorm(self.norm_epsilon, name=name)(x)
        options = {'epsilon': self.norm_epsilon, 'dtype': x.dtype, 'name': name}
        if self.norm == 'layer':
            return nn.LayerNorm(**options)(x)
        if self.norm == 'group':
            groups = _GROUPS if x.shape[-1] % _GROUPS == 0 else 1
            return nn.GroupNorm(num_groups=groups, **options)(x)
        return x

    def activate(self, x: Array) -> Array:
        """The network's activation; 'quadratic' applies to maps only, elsewhere it is identity."""
        if self.activation != 'quadratic':
            return _ACTIVATIONS[self.activation](x)
        return PolynomialActivation(in_scale=1.0, out_scale=1.0)(x) if x.ndim == 4 else x

    def conv_stride(self, site: Site, stride: int = 2) -> int:
        """The stride that the convolution at a site keeps, if the paper gives it `stride`."""
        rest = max(1, stride // self.strategy.stride)
        return rest * self.strategy.at(site).conv_stride

    def downsample(self, x: Map, site: Site, *, name: str) -> Map:
        """The strategy, at a site of the network."""
        layer = self.shared or Downsample(self.strategy, self.one_axis, name=name)
        return layer(x, site=site, train=self.train)

    def downsample_with_choice(self, x: Map, site: Site, *, name: str) -> tuple[Map, Choice | None]:
        """The strategy, and what it chose there, for the upsampling that undoes it."""
        if self.shared:
            return self.shared(x, site=site, train=self.train), None
        return DownsampleWithChoice(self.strategy, name=name)(x, site=site, train=self.train)

    def downsample_branches(self, main: Map, shortcut: Map, *, name: str) -> tuple[Map, Map]:
        """The strategy, on both branches of a residual block."""
        if self.shared:
            return (
                self.shared(main, site=STRIDED_CONV, train=self.train),
                self.shared(shortcut, site=SHORTCUT, train=self.train),
            )
        layer = DownsampleBranches(self.strategy, self.one_axis, name=name)
        return layer(main, shortcut, train=self.train)

    def average(self, x: Map, size: int | None = None) -> Array:
        """The mean over the map, or `size` x `size` means, after the last convolution."""
        return Average(size, name='average')(x)

    def flatten(self, x: Map) -> Float[Array, 'batch elements']:
        """All elements of each map as one row."""
        return computed_once(x).reshape(x.shape[0], math.prod(x.shape[1:]))

    def dropout(self, x: Array, rate: float) -> Array:
        """Zeroes random elements in training and scales up the rest; random stream 'dropout'."""
        return nn.Dropout(rate, deterministic=not self.train)(x)

    def dense(self, x: Array, features: int, *, name: str) -> Array:
        """A fully connected layer on the last axis."""
        return nn.Dense(features, dtype=x.dtype, name=name)(x)
