"""Size arithmetic and argument checks shared by all windowed ops.

An int applies to every spatial axis. Sizes follow floor((n + low + high - span) / stride) + 1 with
span = dilation * (window - 1) + 1 (Dumoulin & Visin 2016, "A guide to convolution arithmetic",
relationship 15).
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Pairs = tuple[tuple[int, int], ...]
Padding = Literal['valid', 'same'] | Sequence[tuple[int, int]]
Fill = Literal['zero', 'reflect', 'replicate', 'circular']
FILLS: tuple[str, ...] = get_args(Fill)


def spatial_rank(x: Array) -> int:
    """The number of spatial axes of a `(batch, *spatial, channels)` array of floats.

    The batch may be empty; no other axis may.

    >>> spatial_rank(jnp.zeros((8, 28, 28, 16)))
    2
    """
    if not isinstance(x, jax.Array | np.ndarray):
        raise ValueError(f'x must be an array; got {type(x).__name__}: use jnp.asarray')
    if x.ndim < 3:
        raise ValueError(f'x must be (batch, *spatial, channels), of rank 3 or more; got {x.shape}')
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f'x must hold floats; got {x.dtype}: convert it first')
    if 0 in x.shape[1:]:
        raise ValueError(f'x must not be empty but for its batch; got shape {x.shape}')
    return x.ndim - 2


def require_arrays(**arrays: Array) -> None:
    """Raises ValueError, with the argument's name, unless each is an array of rank 1 or more.

    >>> require_arrays(weights=jnp.ones(4))
    """
    for name, array in arrays.items():
        if not isinstance(array, jax.Array | np.ndarray) or array.ndim == 0:
            raise ValueError(
                f'{name} must be an array with one axis or more; got {array!r}: use jnp.asarray'
            )


def require_2d(op: str, x: Array) -> None:
    """Raises ValueError unless `x` has exactly two spatial axes.

    >>> require_2d('aps_pool', jnp.zeros((8, 28, 16)))
    Traceback (most recent call last):
    ValueError: aps_pool is 2-D only: x must be (batch, height, width, channels); got (8, 28, 16)
    """
    if spatial_rank(x) != 2:
        raise ValueError(
            f'{op} is 2-D only: x must be (batch, height, width, channels); got {x.shape}'
        )


def per_axis(
    name: str, value: int | Sequence[int], rank: int, *, least: int = 1
) -> tuple[int, ...]:
    """`value` for each of `rank` axes, each checked to be an int of at least `least`.

    >>> per_axis('window', 3, 2)
    (3, 3)
    """
    values = tuple(value) if isinstance(value, Sequence) else (value,) * rank
    if len(values) != rank:
        raise ValueError(f'{name} must be an int or {rank} ints, one per spatial axis; got {value}')
    for v in values:
        if isinstance(v, bool) or not isinstance(v, int | np.integer) or v < least:
            raise ValueError(f'{name} must be an int of at least {least}; got {value!r}')
    return tuple(int(v) for v in values)


def same_padding(window: int) -> tuple[int, int]:
    """Padding that keeps the size at stride 1, centred; an even window pads more on the high side.

    Unlike XLA's 'SAME' it does not depend on the size or the stride, so windows of 3 at stride 2
    are centred on elements 0, 2, 4, ... of an axis of any length.

    >>> same_padding(3), same_padding(4)
    ((1, 1), (1, 2))
    """
    return (window - 1) // 2, window // 2


def padding_pairs(padding: Padding, window: tuple[int, ...]) -> Pairs:
    """(low, high) for each spatial axis from 'valid', 'same' or explicit pairs.

    >>> padding_pairs('same', (5, 2))
    ((2, 2), (0, 1))
    """
    if isinstance(padding, str):
        if padding == 'valid':
            return ((0, 0),) * len(window)
        if padding == 'same':
            return tuple(same_padding(k) for k in window)
        hint = '; fill= says what padding holds' if padding in FILLS else ''
        raise ValueError(
            f"padding must be 'valid', 'same' or (low, high) pairs; got {padding!r}{hint}"
        )
    pairs = tuple(padding) if isinstance(padding, Sequence) else ()
    if len(pairs) != len(window) or not all(isinstance(p, Sequence) and len(p) == 2 for p in pairs):
        raise ValueError(
            f"padding must be 'valid', 'same' or one (low, high) pair for each of {len(window)} "
            f'spatial axes, like {((1, 1),) * len(window)}; got {padding!r}'
        )
    return tuple(
        (low, high) for low, high in (per_axis('padding', pair, 2, least=0) for pair in pairs)
    )


def output_size(
    size: int | Sequence[int],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
    strict: bool = False,
) -> tuple[int, ...]:
    """The spatial size of the output when a window slides over `size` elements per axis.

    floor((n + low + high - span) / stride) + 1, which is also TensorFlow's 'VALID' form,
    ceil((n + low + high - (span - 1)) / stride). `padding='same'` is (span - 1) / 2 on each side,
    with the odd element of an even span on the high side: it keeps the size at stride 1.

    `stride=None` means the window. `ceil_mode` adds a last window that hangs over the high end,
    unless it would start past all elements and low padding (torch's rule). Raises ValueError
    where the window does not fit even once, and with `strict` where elements would be left over
    after the last window.

    >>> output_size((227, 227), window=11, stride=4)
    (55, 55)
    >>> output_size(28, window=5, stride=1, padding='same')
    (28,)
    >>> output_size(28, window=3, stride=2), output_size(28, window=3, stride=2, ceil_mode=True)
    ((13,), (14,))
    >>> output_size(10, window=3, stride=2, strict=True)
    Traceback (most recent call last):
    ValueError: window 3 with stride 2 and padding (0, 0) does not fit size 10: 4.5 positions; \
the nearest sizes that fit are 9 and 11
    """
    rank = len(size) if isinstance(size, Sequence) else 1
    sizes = per_axis('size', size, rank)
    windows = per_axis('window', window, rank)
    strides = windows if stride is None else per_axis('stride', stride, rank)
    spans = tuple(
        d * (k - 1) + 1 for k, d in zip(windows, per_axis('dilation', dilation, rank), strict=True)
    )
    pairs = padding_pairs(padding, spans)
    out = []
    for n, (low, high), span, s in zip(sizes, pairs, spans, strides, strict=True):
        if n + low + high < span:
            raise ValueError(
                f'window {window} is larger than the feature map {sizes} with padding '
                f'{pairs}: use a window of at most {n + low + high} or a larger input'
            )
        room = n + low + high - span
        if strict and room % s:
            raise ValueError(
                f'window {span} with stride {s} and padding {(low, high)} does not fit size {n}: '
                f'{room / s + 1:g} positions; the nearest sizes that fit are {n - room % s} and '
                f'{n - room % s + s}'
            )
        steps = -(-room // s) if ceil_mode else room // s
        out.append(steps if ceil_mode and steps * s >= n + low else steps + 1)
    return tuple(out)


def conv_parameters(
    window: int | Sequence[int], *, channels: int, features: int, groups: int = 1, bias: bool = True
) -> int:
    """How many parameters a convolution has: features * (window elements * channels + bias).

    `window` is one int per spatial axis, or one int for both of two; `channels` are split into
    `groups`.

    >>> conv_parameters(11, channels=3, features=64)
    23296
    >>> conv_parameters(3, channels=32, features=32, groups=32, bias=False)
    288
    """
    windows = per_axis('window', window, len(window) if isinstance(window, Sequence) else 2)
    counts = {'channels': channels, 'features': features, 'groups': groups}
    for name, count in counts.items():
        per_axis(name, count, 1)
    if channels % groups or features % groups:
        raise ValueError(
            f'groups must divide {channels} channels and {features} features; got {groups}'
        )
    return features * (math.prod(windows) * channels // groups + bool(bias))


def check_fill(name: str, fill: str | None, *, allow_none: bool = False) -> None:
    """Raises ValueError unless `fill` is one of FILLS (or None, where that is allowed)."""
    if fill not in FILLS and not (allow_none and fill is None):
        allowed = ', '.join(map(repr, FILLS)) + (' or None' if allow_none else '')
        raise ValueError(f'{name} must be one of {allowed}; got {fill!r}')


class Windows(NamedTuple):
    """Where the windows of an op lie on a map, one entry per spatial axis."""

    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs  # what the caller asked for
    overhang: tuple[int, ...]  # elements of ceil_mode's last window past the high padding
    out: tuple[int, ...]  # windows per axis


def place_windows(
    x: Array,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None,
    padding: Padding,
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Windows:
    """Checks the arguments that windowed ops share and places the windows on `x`.

    >>> place_windows(jnp.zeros((1, 6, 1)), 3, 2, 'valid', ceil_mode=True)
    Windows(window=(3,), stride=(2,), padding=((0, 0),), overhang=(1,), out=(3,))
    """
    rank = spatial_rank(x)
    size = x.shape[1:-1]
    windows = per_axis('window', window, rank)
    strides = windows if stride is None else per_axis('stride', stride, rank)
    pairs = padding_pairs(padding, windows)
    check_fill('fill', fill, allow_none=True)
    for k, n, pair in zip(windows, size, pairs, strict=True):
        if fill is None and max(pair) >= k:
            raise ValueError(
                f'padding {pairs} must be smaller than window {windows} on each side, '
                f'or fill must say what it holds'
            )
        if fill == 'circular' and max(pair) > 0 and k > n:
            raise ValueError(f"fill='circular' needs window {windows} to fit in the map {size}")
    out = output_size(size, window=windows, stride=strides, padding=pairs, ceil_mode=ceil_mode)
    overhang = tuple(
        max(0, (o - 1) * s + k - (n + low + high))
        for n, k, s, o, (low, high) in zip(size, windows, strides, out, pairs, strict=True)
    )
    return Windows(windows, strides, pairs, overhang, out)
