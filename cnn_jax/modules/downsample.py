"""The one place a downsampling strategy is chosen.

A strategy is a frozen dataclass whose fields are its hyperparameters. Calling it downsamples a
feature map by `stride` where a network has its pooling layer, after the activation; `conv_stride`
is the stride that it asks of the convolution before that layer. To add one: write its op in
`cnn_jax.ops`, its dataclass here, and its name in `_REGISTRY`; see CONTRIBUTING.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Protocol, runtime_checkable

from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.ops.blur import LARGEST_FILTER
from cnn_jax.ops.windows import FILLS, Fill


@runtime_checkable
class Strategy(Protocol):
    """What every strategy is: hashable, with `stride`, `conv_stride` and a call.

    >>> import jax.numpy as jnp
    >>> MaxBlur(filter_size=5)(jnp.ones((1, 28, 28, 3)), train=False).shape
    (1, 14, 14, 3)
    """

    @property
    def stride(self) -> int:
        """The factor by which the map shrinks."""
        ...

    @property
    def conv_stride(self) -> int:
        """The stride of the convolution before this layer."""
        ...

    def __call__(self, x: Array, *, train: bool) -> Array:
        """(batch, *spatial, channels) -> (batch, *smaller, channels)."""
        ...


def _check_ints(strategy: object, **allowed: tuple[int, int]) -> None:
    for name, (least, most) in allowed.items():
        value = vars(strategy)[name]
        is_int = isinstance(value, int) and not isinstance(value, bool)
        require(
            is_int and least <= value <= most,
            f'{type(strategy).__name__}: {name} must be an int from {least} to {most}; '
            f'got {value!r}.',
        )


def _check_fill(strategy: object, padding: str) -> None:
    if padding not in FILLS:
        raise unknown_name(f'padding of {type(strategy).__name__}', str(padding), FILLS)


_WINDOW = (1, 64)
_STRIDE = (1, 16)
_FILTER = (1, LARGEST_FILTER)


@dataclass(frozen=True)
class _Pool:
    """Fields of the strategies that reduce a window."""

    window: int = 2
    stride: int = 2
    conv_stride = 1

    def __post_init__(self):
        _check_ints(self, window=_WINDOW, stride=_STRIDE)


@dataclass(frozen=True)
class Max(_Pool):
    """Max pooling."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.max_pool(x, window=self.window, stride=self.stride)


@dataclass(frozen=True)
class Avg(_Pool):
    """Average pooling."""

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.avg_pool(x, window=self.window, stride=self.stride)


@dataclass(frozen=True)
class Stride:
    """No pooling: the convolution before the layer takes the stride."""

    stride: int = 2

    def __post_init__(self):
        _check_ints(self, stride=_STRIDE)

    @property
    def conv_stride(self) -> int:
        return self.stride

    def __call__(self, x: Array, *, train: bool) -> Array:
        return x


@dataclass(frozen=True)
class Blur:
    """Binomial blur and subsampling in place of the pooling (Zhang 2019)."""

    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'
    conv_stride = 1

    def __post_init__(self):
        _check_ints(self, filter_size=_FILTER, stride=_STRIDE)
        _check_fill(self, self.padding)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.blur_pool(
            x, filter_size=self.filter_size, stride=self.stride, padding=self.padding
        )


@dataclass(frozen=True)
class MaxBlur:
    """Max pooling at stride 1, then binomial blur and subsampling (Zhang 2019)."""

    window: int = 2
    filter_size: int = 3
    stride: int = 2
    padding: Fill = 'reflect'
    conv_stride = 1

    def __post_init__(self):
        _check_ints(self, window=_WINDOW, filter_size=_FILTER, stride=_STRIDE)
        _check_fill(self, self.padding)

    def __call__(self, x: Array, *, train: bool) -> Array:
        return ops.max_blur_pool(
            x,
            window=self.window,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
        )


_REGISTRY: Mapping[str, type] = {
    'max': Max,
    'avg': Avg,
    'stride': Stride,
    'blur': Blur,
    'max_blur': MaxBlur,
}


def strategy_names() -> tuple[str, ...]:
    """The registered names.

    >>> 'max_blur' in strategy_names()
    True
    """
    return tuple(_REGISTRY)


def strategy_named(name: str, **hyperparameters: object) -> Strategy:
    """The strategy of that name; raises BadInput with the nearest name or field.

    >>> strategy_named('blur', filter_size=5)
    Blur(filter_size=5, stride=2, padding='reflect')
    """
    if name not in _REGISTRY:
        raise unknown_name('strategy', name, _REGISTRY)
    strategy = _REGISTRY[name]
    allowed = [f.name for f in fields(strategy)]
    for key in hyperparameters:
        if key not in allowed:
            raise unknown_name(f'field of strategy {name}', key, allowed)
    return strategy(**hyperparameters)


def strategy_to_dict(strategy: Strategy) -> dict:
    """The strategy's name and hyperparameters, as plain JSON values.

    >>> strategy_to_dict(Max())
    {'name': 'max', 'window': 2, 'stride': 2}
    """
    for name, known in _REGISTRY.items():
        if type(strategy) is known:
            return {'name': name, **vars(strategy)}
    raise BadInput(f'{strategy!r} is not a registered strategy: {", ".join(_REGISTRY)}.')


def strategy_from_dict(values: Mapping) -> Strategy:
    """The inverse of `strategy_to_dict`.

    >>> strategy_from_dict({'name': 'max', 'window': 3, 'stride': 2})
    Max(window=3, stride=2)
    """
    return strategy_named(**values)


class Downsample(nn.Module):
    """A network's pooling layer: calls `strategy`, and names itself in its errors."""

    strategy: Strategy

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool
    ) -> Float[Array, 'batch *out channels']:
        try:
            return self.strategy(x, train=train)
        except ValueError as error:
            raise BadInput(
                f'layer {"/".join(self.path)} ({self.strategy}): input {x.shape[1:-1]}: {error}'
            ) from error
