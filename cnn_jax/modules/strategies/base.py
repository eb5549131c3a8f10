"""What every strategy shares: its interface, where it stands in a network, checks of its fields."""

import abc
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jaxtyping import Array

from cnn_jax.errors import require, unknown_name
from cnn_jax.ops.windows import FILLS, Pairs, padding_pairs

POSITIVE = math.nextafter(0.0, 1.0)
WINDOW = 64  # the largest
STRIDE = (1, 16)
FILTER = (1, 7)

WindowPadding = Literal['valid', 'same'] | Pairs


@dataclass(frozen=True)
class Site:
    """A place where a published network downsamples, with the window that it has there.

    'max_pool' is a max pool, 'avg_pool' an average pool, 'strided_conv' a strided convolution
    (which gets stride 1; the strategy follows its activation), and 'shortcut' the strided 1x1
    convolution of a shortcut (the strategy comes before it). `after_conv` says whether a
    convolution that can take the stride stands right before the layer.
    """

    kind: Literal['max_pool', 'strided_conv', 'avg_pool', 'shortcut']
    window: int = 2
    padding: WindowPadding = 'valid'
    ceil_mode: bool = False
    after_conv: bool = True

    def pools(self, window: int | None) -> bool:
        """Whether a strategy that was given that window pools here, as well as shrinks.

        It does at a max pool, and with a window of its own at an average pool too.

        >>> MAX_POOL.pools(None), AVG_POOL.pools(None), AVG_POOL.pools(2), SHORTCUT.pools(2)
        (True, False, True, False)
        """
        return self.kind == 'max_pool' or (self.kind == 'avg_pool' and window is not None)

    def on(self, size: Sequence[int], stride: int) -> 'Site':
        """This site on a map of that size: `ceil_mode` becomes padding on the high side.

        A map smaller than the window then has one window.

        >>> Site('max_pool', window=3, ceil_mode=True).on((6, 7, 1), stride=2).padding
        ((0, 1), (0, 0), (0, 2))
        """
        if not self.ceil_mode:
            return self
        padding = []
        for n, (low, high) in zip(
            size, padding_pairs(self.padding, (self.window,) * len(size)), strict=True
        ):
            steps = max(0, -(-(n + low + high - self.window) // stride))
            if steps * stride >= n + low:  # that window would hold no element
                steps -= 1
            over = steps * stride + self.window - (n + low + high)
            padding.append((low, high + max(0, over)))
        return replace(self, padding=tuple(padding), ceil_mode=False)


MAX_POOL = Site('max_pool')
AVG_POOL = Site('avg_pool')
STRIDED_CONV = Site('strided_conv', ceil_mode=True)
SHORTCUT = Site('shortcut', ceil_mode=True)
SITES = (MAX_POOL, AVG_POOL, STRIDED_CONV, SHORTCUT)


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
        """The strategy that stands at `site` of a network built with this one."""
        return self

    def reach(self, size: Sequence[int]) -> Pairs | None:
        """How far output i reads before and after element `stride` * i, on each axis of that size.

        None means the whole map. Borders are ignored, and so are statistics of the whole map (the
        component that a polyphase strategy chooses, the mean of a norm). Ask the strategy that
        `at` gives. Where the convolution before has the
        stride, as with `Stride`, it is element i.

        >>> from cnn_jax.modules import FLC, Max, MaxBlur
        >>> Max(window=3, padding='same').reach((28, 28)), MaxBlur().reach((28, 28))
        (((1, 1), (1, 1)), ((1, 2), (1, 2)))
        >>> FLC().reach((28, 28))
        """
        return None

    def branches(self, main: Array, shortcut: Array, *, train: bool) -> tuple[Array, Array]:
        """The two branches of a residual block, downsampled alike.

        `main` follows the activation of a convolution that lost its stride; `shortcut` comes
        before its 1x1 convolution. Called inside a compact method, like `__call__`.
        """
        size = main.shape[1:-1]
        at_main, at_shortcut = (self.at(s.on(size, self.stride)) for s in (STRIDED_CONV, SHORTCUT))
        return at_main(main, train=train), at_shortcut(shortcut, train=train)

    @abc.abstractmethod
    def __call__(self, x: Array, *, train: bool) -> Array:
        """(batch, *spatial, channels) -> (batch, *smaller, channels).

        Strategies with parameters or randomness create their Linen module here, so they are
        called inside a compact method; `Downsample` does.
        """


def window_reach(window: int, padding: WindowPadding, size: Sequence[int]) -> Pairs:
    """The reach of a window with that padding on each axis: its low padding, and what is left.

    >>> window_reach(3, ((1, 1), (0, 1)), (28, 28))
    ((1, 1), (0, 2))
    """
    pairs = padding_pairs(padding, (window,) * len(size))
    return tuple((low, window - 1 - low) for low, _ in pairs)


def added_reach(*reaches: Pairs) -> Pairs:
    """The reach of one thing after another, the first at stride 1.

    >>> added_reach(((0, 1),), ((1, 1),))
    ((1, 2),)
    """
    return tuple(
        (sum(before for before, _ in axis), sum(after for _, after in axis))
        for axis in zip(*reaches, strict=True)
    )


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


def check_window(strategy: object, *, most: int = WINDOW, padding: str | None = 'padding') -> None:
    """Raises BadInput unless the field `window`, and that named `padding`, are of their kind."""
    if vars(strategy)['window'] is not None:
        check_ints(strategy, window=(1, most))
    value = vars(strategy)[padding] if padding else None
    if not padding or value in (None, 'valid', 'same'):
        return
    try:
        padding_pairs(value, (1,) * len(value))
    except (ValueError, TypeError):
        kind = f'{padding} of {type(strategy).__name__}'
        allowed = ('valid', 'same', 'pairs like ((1, 1), (1, 1))')
        raise unknown_name(kind, str(value), allowed) from None


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
