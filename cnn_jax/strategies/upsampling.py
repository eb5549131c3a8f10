"""Ways to upsample in a network, each a frozen dataclass, and which goes with which strategy."""

import abc
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Annotated, Any, ClassVar, Literal, Protocol, runtime_checkable

from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.errors import require, unknown_name
from cnn_jax.fields import Between, check_fields
from cnn_jax.ops.windows import Fill
from cnn_jax.strategies.base import Choice, ChoiceKind, FilterSize, Strategy


@runtime_checkable
class UpsamplingLayer(Protocol):
    """The layer in whose compact method an upsampling is called: `cnn_jax.layers.Upsample`."""

    def conv_transpose(
        self, x: Array, *, window: int, stride: int, start: Literal['he', 'bilinear']
    ) -> Array:
        """A transposed convolution with parameters, to the layer's features."""
        ...


class Upsampling(abc.ABC):
    """A way to upsample: a frozen dataclass with a name; the factor comes from the strategy.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.layers import Upsample
    >>> layer = Upsample(upsampling_named('bilinear'), features=3)
    >>> layer.apply({}, jnp.ones((1, 8, 8, 3))).shape
    (1, 16, 16, 3)
    """

    name: ClassVar[str]
    NEEDS: ClassVar[ChoiceKind] = None  # what the strategy must hand over
    MAPS_FEATURES: ClassVar[bool] = False  # whether it takes channels to other features itself

    def __post_init__(self):
        check_fields(self)

    def beside(self, strategy: Strategy) -> 'Upsampling':
        """The upsampling in a network with that strategy.

        Raises BadInput where it needs a choice that the strategy does not make.
        """
        goes = {'component': 'aps', 'weights': 'lps', 'places': 'max'}
        require(
            self.NEEDS is None or strategy.CHOICE == self.NEEDS,
            f'upsample={self.name} goes with downsample={goes.get(self.NEEDS or "")} only; '
            f"got {strategy}: take upsample='matching' or 'bilinear', which go with any.",
        )
        return self

    @abc.abstractmethod
    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        """(batch, height, width, channels) -> (batch, factor height, factor width, channels).

        `choice` is that of the strategy at the site which is undone.
        """


@dataclass(frozen=True)
class Nearest(Upsampling):
    """Every element repeated."""

    name: ClassVar[str] = 'nearest'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        return ops.upsample_nearest(x, factor=factor)


@dataclass(frozen=True)
class Bilinear(Upsampling):
    """Linear interpolation between the centres of elements, as torch's `align_corners=False`."""

    name: ClassVar[str] = 'bilinear'
    padding: Fill = 'replicate'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        return ops.upsample_bilinear(x, factor=factor, padding=self.padding)


@dataclass(frozen=True)
class BlurUp(Upsampling):
    """Zeros between the elements, then the binomial filter times factor^2."""

    name: ClassVar[str] = 'blur_up'
    filter_size: FilterSize = 3
    padding: Fill = 'reflect'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        return ops.upsample_blur(
            x, factor=factor, filter_size=self.filter_size, padding=self.padding
        )


@dataclass(frozen=True)
class TransposedConv(Upsampling):
    """A learned transposed convolution, whose stride is the factor.

    Its window is `overlap` times the stride: 1 is the 2x2 up-convolution of the U-Net (Ronneberger
    et al. 2015), 2 the form of fully convolutional networks (Long et al. 2015), which start it as
    bilinear interpolation of each class, without a bias. `start` 'he' is N(0, 2 / inputs of one
    output), with a bias.
    """

    name: ClassVar[str] = 'transposed_conv'
    MAPS_FEATURES: ClassVar[bool] = True
    overlap: Annotated[int, Between(1, 8)] = 1
    start: Literal['he', 'bilinear'] = 'he'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        return layer.conv_transpose(
            x, window=self.overlap * factor, stride=factor, start=self.start
        )


@dataclass(frozen=True)
class MaxUnpool(Upsampling):
    """Un-pooling: each element at the place of the maximum, zeros elsewhere (Zeiler 2014).

    Only beside `Max`, at whose max pools places are kept.
    """

    name: ClassVar[str] = 'max_unpool'
    NEEDS: ClassVar[ChoiceKind] = 'places'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        array, options = _made(self, choice)
        return ops.max_unpool(x, array, **options)


@dataclass(frozen=True)
class APSU(Upsampling):
    """APS-U (Chaman & Dokmanic, Asilomar 2021): each element back in its component, then a filter.

    Only beside `APS`. With circular borders everywhere (the network's `fill`, `APS.padding` and
    this `padding`) and sizes that all strides divide, a network with it is equivariant to every
    circular shift.
    """

    name: ClassVar[str] = 'aps_u'
    NEEDS: ClassVar[ChoiceKind] = 'component'
    filter_size: FilterSize = 3
    padding: Fill = 'circular'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        array, options = _made(self, choice)
        smooth = {'filter_size': self.filter_size, 'padding': self.padding}
        return ops.aps_upsample(x, array, **options, **smooth)


@dataclass(frozen=True)
class LPU(Upsampling):
    """LPU (Rojas-Gomez et al., NeurIPS 2022): `APSU` with the weights of LPS.

    Only beside `LPS`, whose scores get a gradient from both ways.
    """

    name: ClassVar[str] = 'lpu'
    NEEDS: ClassVar[ChoiceKind] = 'weights'
    filter_size: FilterSize = 3
    padding: Fill = 'circular'

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        array, options = _made(self, choice)
        smooth = {'filter_size': self.filter_size, 'padding': self.padding}
        return ops.lps_upsample(x, array, **options, **smooth)


@dataclass(frozen=True)
class Matching(Upsampling):
    """`APSU` beside APS, `LPU` beside LPS, and beside any other strategy `otherwise`.

    >>> from cnn_jax.strategies import APS, Max
    >>> Matching().beside(Max()), Matching().beside(APS())
    (Bilinear(padding='replicate'), APSU(filter_size=3, padding='circular'))
    """

    name: ClassVar[str] = 'matching'
    otherwise: Upsampling = field(default_factory=Bilinear)

    def beside(self, strategy: Strategy) -> Upsampling:
        if strategy.CHOICE == 'component':
            return APSU()
        return LPU() if strategy.CHOICE == 'weights' else self.otherwise.beside(strategy)

    def __call__(
        self, x: Array, *, factor: int, choice: Choice | None, layer: UpsamplingLayer
    ) -> Array:
        raise NotImplementedError('call the upsampling that beside() returns')


def _made(upsampling: Upsampling, choice: Choice | None) -> Choice:
    if choice is None:
        raise ValueError(f'{upsampling.name} needs what the strategy chose; it chose nothing here')
    return choice


_UPSAMPLINGS: Mapping[str, type[Upsampling]] = {
    kind.name: kind
    for kind in (Matching, Nearest, Bilinear, BlurUp, TransposedConv, MaxUnpool, APSU, LPU)
}


def upsampling_names() -> tuple[str, ...]:
    """The names of all ways to upsample.

    >>> upsampling_names()[:3]
    ('matching', 'nearest', 'bilinear')
    """
    return tuple(_UPSAMPLINGS)


def upsampling_named(name: str, **hyperparameters: Any) -> Upsampling:
    """The upsampling of that name; raises BadInput with the nearest name or field.

    >>> upsampling_named('blur_up', filter_size=5)
    BlurUp(filter_size=5, padding='reflect')
    """
    if not isinstance(name, str) or name not in _UPSAMPLINGS:
        raise unknown_name('upsampling', str(name), _UPSAMPLINGS)
    kind = _UPSAMPLINGS[name]
    allowed = [f.name for f in fields(kind)]  # pyright: ignore[reportArgumentType]
    for key in hyperparameters:
        if key not in allowed:
            raise unknown_name(f'field of upsampling {name}', key, allowed)
    return kind(**hyperparameters)


__all__ = [
    'APSU',
    'LPU',
    'Bilinear',
    'BlurUp',
    'Matching',
    'MaxUnpool',
    'Nearest',
    'TransposedConv',
    'Upsampling',
    'upsampling_named',
    'upsampling_names',
]
