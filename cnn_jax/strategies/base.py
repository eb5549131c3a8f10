"""What every strategy shares: its interface, and its place in a network."""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, NamedTuple

from flax import linen as nn
from jaxtyping import Array

from cnn_jax.fields import Between, Paddings, check_fields
from cnn_jax.ops.windows import Pairs, padding_pairs

WINDOW = 2  # where neither the strategy nor the site sets another

Window = Annotated[int, Between(1, 64)]
Factor = Annotated[int, Between(1, 16)]
FilterSize = Annotated[int, Between(1, 7)]
ChoiceKind = Literal['component', 'weights', 'places'] | None
WindowPadding = Annotated[Literal['valid', 'same'] | Pairs, Paddings()]


@dataclass(frozen=True)
class Site:
    """A place where a published network downsamples, with the window that it uses there.

    'max_pool' is a max pool, 'avg_pool' an average pool, 'strided_conv' a strided convolution
    (which gets stride 1; the strategy follows its activation), and 'shortcut' the strided 1x1
    convolution of a shortcut (the strategy comes before it). `after_conv` says whether a
    convolution that can take the stride comes right before the layer.
    """

    kind: Literal['max_pool', 'strided_conv', 'avg_pool', 'shortcut']
    window: int = WINDOW
    padding: Literal['valid', 'same'] | Pairs = 'valid'
    ceil_mode: bool = False
    after_conv: bool = True

    def pools(self, window: int | None) -> bool:
        """Whether a strategy with that window pools here, rather than only subsamples.

        It does at max pools and, if its window is not None, at average pools too.

        >>> MAX_POOL.pools(None), AVG_POOL.pools(None), AVG_POOL.pools(2), SHORTCUT.pools(2)
        (True, False, True, False)
        """
        return self.kind == 'max_pool' or (self.kind == 'avg_pool' and window is not None)

    def on(self, size: Sequence[int], stride: int) -> 'Site':
        """This site on a map of that size: `ceil_mode` becomes padding on the high side.

        A map smaller than the window then holds one window.

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
            if steps * stride >= n + low:  # the last window would hold no element
                steps -= 1
            over = steps * stride + self.window - (n + low + high)
            padding.append((low, high + max(0, over)))
        return replace(self, padding=tuple(padding), ceil_mode=False)

    def along_one_axis(self) -> 'Site':
        """This site on the maps of one axis, the last.

        >>> Site('max_pool', window=3, padding=((1, 1), (0, 1))).along_one_axis().padding
        ((0, 1),)
        """
        one = self.padding if isinstance(self.padding, str) else self.padding[-1:]
        return replace(self, padding=one)


MAX_POOL = Site('max_pool')
AVG_POOL = Site('avg_pool')
STRIDED_CONV = Site('strided_conv', ceil_mode=True)
SHORTCUT = Site('shortcut', ceil_mode=True)
SITES = (MAX_POOL, AVG_POOL, STRIDED_CONV, SHORTCUT)


class Choice(NamedTuple):
    """What a strategy chose on one map, from which an upsampling restores positions.

    Attributes:
        array: The index of the component (batch,), the components' weights (batch, phases) or the
            places of the maxima (batch, *out, channels).
        options: What else the op that undoes it takes: strides, windows, the size of the map.
    """

    array: Array
    options: Mapping


class Strategy(abc.ABC):
    """A way to downsample: a frozen dataclass with a name, a stride and its hyperparameters.

    Fields are checked by their annotations (`cnn_jax.fields`). Your own needs only a name, a stride
    and a call:

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.layers import Downsample
    >>> @dataclass(frozen=True)
    ... class Scaled(Strategy):
    ...     '''Every second element, times a learned number.'''
    ...     name: ClassVar[str] = 'scaled'
    ...     stride: int = 2
    ...     def __call__(self, x, *, train, layer):
    ...         return x[:, ::2, ::2] * layer.param('scale', nn.initializers.ones, ())
    >>> y, variables = Downsample(Scaled()).init_with_output(
    ...     jax.random.key(0), jnp.ones((1, 28, 28, 3)), train=False)
    >>> y.shape, variables['params']
    ((1, 14, 14, 3), {'scale': Array(1., dtype=float32)})
    """

    name: ClassVar[str]
    CHOICE: ClassVar[ChoiceKind] = None  # what `down_with_choice` hands over at max pools
    stride: int  # the factor by which the map shrinks

    def __post_init__(self):
        check_fields(self)

    @property
    def conv_stride(self) -> int:
        """The stride of the convolution before this layer."""
        return 1

    @property
    def sampling(self) -> int:
        """The factor by which the layer itself shrinks the map."""
        return self.stride // self.conv_stride

    @property
    def one_for_all(self) -> bool:
        """Whether all layers of a network share this strategy's parameters."""
        return False

    def at(self, site: Site) -> 'Strategy':
        """The strategy used at `site` of a network built with this one."""
        return self

    def reach(self, size: Sequence[int]) -> Pairs | None:
        """How far output i reads before and after element `stride` * i, on each axis of that size.

        None means the whole map. Borders are ignored, and so are statistics of the whole map (the
        component that a polyphase strategy chooses, the mean of a norm). Call it on the strategy
        that `at` returns. Where the preceding convolution has the stride, as with `Stride`, the
        reach is counted from element i.

        >>> from cnn_jax.strategies import FLC, Max, MaxBlur
        >>> Max(window=3, padding='same').reach((28, 28)), MaxBlur().reach((28, 28))
        (((1, 1), (1, 1)), ((1, 2), (1, 2)))
        >>> FLC().reach((28, 28))
        """
        return None

    def branches(
        self, main: Array, shortcut: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Array] | None:
        """Both branches of a residual block, for strategies that decide once for both.

        None, the default, means that each branch is downsampled separately. `main` follows the
        activation of a convolution that lost its stride; `shortcut` comes before its 1x1
        convolution.
        """
        return None

    def down_with_choice(
        self, x: Array, *, train: bool, layer: nn.Module
    ) -> tuple[Array, Choice | None]:
        """The result of a call, and what was chosen; None, the default, where nothing is.

        A strategy that overrides this says in `CHOICE` what kind it hands over, so that
        `cnn_jax.strategies.upsampling` finds the upsampling that goes with it.
        """
        return self(x, train=train, layer=layer), None

    @abc.abstractmethod
    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        """(batch, *spatial, channels) -> (batch, *smaller, channels).

        `layer` is the Linen module in whose compact method this is called, usually a `Downsample`:
        `layer.param` makes parameters, `layer.make_rng('downsample')` makes keys for random draws
        in training, and `layer.sow('losses', name, value)` adds to the loss.
        """


def window_at(
    site: Site, window: int | None, padding: WindowPadding | None, *, everywhere: bool
) -> tuple[int, WindowPadding | None]:
    """The window and padding that a strategy with those fields uses at a site.

    A window of None means the site's. Unless it pools `everywhere`, a strategy uses its window
    only where the network pools, and a window of 1 elsewhere.

    >>> window_at(Site('max_pool', window=3, padding='same'), None, None, everywhere=False)
    (3, 'same')
    >>> window_at(STRIDED_CONV, 3, 'same', everywhere=False)
    (1, 'valid')
    """
    if not (everywhere or site.pools(window)):
        return 1, 'valid'
    if window is None:
        return site.window, padding or site.padding
    return window, padding


def window_reach(window: int | None, padding: WindowPadding | None, size: Sequence[int]) -> Pairs:
    """The reach of a window with that padding on each axis: its low padding, and the remainder.

    >>> window_reach(3, ((1, 1), (0, 1)), (28, 28))
    ((1, 1), (0, 2))
    """
    window = window or WINDOW
    pairs = padding_pairs(padding or 'valid', (window,) * len(size))
    return tuple((low, window - 1 - low) for low, _ in pairs)


def added_reach(*reaches: Pairs) -> Pairs:
    """The reach of two operations in sequence, the first at stride 1.

    >>> added_reach(((0, 1),), ((1, 1),))
    ((1, 2),)
    """
    return tuple(
        (sum(before for before, _ in axis), sum(after for _, after in axis))
        for axis in zip(*reaches, strict=True)
    )
