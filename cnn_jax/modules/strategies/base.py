"""What every strategy shares: its interface, where it stands in a network, checks of its fields."""

import abc
import math
from collections.abc import Iterable
from typing import Literal, get_args

from jaxtyping import Array

from cnn_jax.errors import require, unknown_name
from cnn_jax.ops.windows import FILLS

Site = Literal['max_pool', 'strided_conv', 'avg_pool', 'shortcut']
SITES: tuple[str, ...] = get_args(Site)


class Strategy(abc.ABC):
    """A way to downsample: a frozen dataclass with `stride` and whatever else it needs.

    >>> import jax.numpy as jnp
    >>> from cnn_jax.modules import MaxBlur
    >>> MaxBlur(filter_size=5)(jnp.ones((1, 28, 28, 3)), train=False).shape
    (1, 14, 14, 3)
    """

    stride: int  # the factor by which the map shrinks

    @property
    def conv_stride(self) -> int:
        """The stride of the convolution before this layer."""
        return 1

    @property
    def one_for_all(self) -> bool:
        """Whether all layers of a network share this strategy's parameters."""
        return False

    def at(self, site: Site) -> 'Strategy':
        """The strategy that stands at `site` of a network built with this one.

        'max_pool' is where the published network has a max pool, 'strided_conv' a strided
        convolution (which then has stride 1; this follows its activation), 'avg_pool' an average
        pool, 'shortcut' the strided 1x1 convolution of a shortcut (this comes before it).
        """
        return self

    @abc.abstractmethod
    def __call__(self, x: Array, *, train: bool) -> Array:
        """(batch, *spatial, channels) -> (batch, *smaller, channels).

        Strategies with parameters or randomness create their Linen module here, so they are
        called inside a compact method; `Downsample` does.
        """


def check_ints(strategy: object, **allowed: tuple[int, int]) -> None:
    """Raises BadInput unless each named field is an int from `least` to `most`."""
    for name, (least, most) in allowed.items():
        value = vars(strategy)[name]
        is_int = isinstance(value, int) and not isinstance(value, bool)
        require(
            is_int and least <= value <= most,
            f'{type(strategy).__name__}: {name} must be an int from {least} to {most}; '
            f'got {value!r}.',
        )


def check_floats(strategy: object, **allowed: tuple[int | float, int | float]) -> None:
    """Raises BadInput unless each named field is a finite number from `least` to `most`.

    A `least` or `most` that is infinite stands for "any"; a `least` of `POSITIVE` for "> 0".
    """
    for name, (least, most) in allowed.items():
        value = vars(strategy)[name]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        above = f'from {least:g} ' if least != POSITIVE else 'above 0 '
        require(
            is_number and math.isfinite(value) and least <= value <= most,
            f'{type(strategy).__name__}: {name} must be a number {above}'
            f'{"" if most == math.inf else f"to {most:g}"}; got {value!r}.'.replace(' ;', ';'),
        )


def check_choice(strategy: object, **allowed: Iterable[str]) -> None:
    """Raises BadInput, with the nearest name, unless each named field is one of its choices."""
    for name, choices in allowed.items():
        value = vars(strategy)[name]
        if value not in tuple(choices):
            raise unknown_name(f'{name} of {type(strategy).__name__}', str(value), choices)


def check_fill(strategy: object) -> None:
    """`check_choice` of the field `padding` among the fills of a border."""
    check_choice(strategy, padding=FILLS)


POSITIVE = math.nextafter(0.0, 1.0)
WINDOW = (1, 64)
STRIDE = (1, 16)
FILTER = (1, 7)
