"""Size arithmetic and argument checks that every windowed op shares.

An int stands for every spatial axis. Sizes follow floor((n + low + high - span) / stride) + 1 with
span = dilation * (window - 1) + 1 (Dumoulin & Visin 2016, "A guide to convolution arithmetic",
relationship 14).
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

Pairs = tuple[tuple[int, int], ...]
Padding = Literal['valid', 'same'] | Sequence[tuple[int, int]]
Fill = Literal['zero', 'reflect', 'replicate', 'circular']
FILLS: tuple[str, ...] = get_args(Fill)


def spatial_rank(x: Array) -> int:
    """The number of spatial axes of a `(batch, *spatial, channels)` array of floats.

    >>> spatial_rank(jnp.zeros((8, 28, 28, 16)))
    2
    """
    shape = jnp.shape(x)
    if len(shape) < 3:
        raise ValueError(f'x must be (batch, *spatial, channels), of rank 3 or more; got {shape}')
    if not jnp.issubdtype(jnp.result_type(x), jnp.floating):
        raise ValueError(f'x must hold floats; got {jnp.result_type(x)}: convert it first')
    return len(shape) - 2


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

    Unlike XLA's 'SAME' it does not depend on the size or the stride, so a window of 3 at stride 2
    is centred on elements 0, 2, 4, ... of an axis of any length.

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
        raise ValueError(f"padding must be 'valid', 'same' or (low, high) pairs; got {padding!r}")
    pairs = tuple(padding)
    if len(pairs) != len(window) or not all(isinstance(p, Sequence) and len(p) == 2 for p in pairs):
        raise ValueError(
            f'padding must be one (low, high) pair for each of {len(window)} spatial axes; '
            f'got {padding}'
        )
    return tuple((int(low), int(high)) for low, high in pairs)


def output_size(
    size: int | Sequence[int],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    dilation: int | Sequence[int] = 1,
) -> tuple[int, ...]:
    """The spatial size after a window has moved over `size` elements per axis.

    `stride=None` means the window. Raises ValueError where the window does not fit once.

    >>> output_size((227, 227), window=11, stride=4)
    (55, 55)
    >>> output_size(28, window=5, stride=1, padding='same')
    (28,)
    """
    sizes = tuple(size) if isinstance(size, Sequence) else (size,)
    rank = len(sizes)
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
        out.append((n + low + high - span) // s + 1)
    return tuple(out)
