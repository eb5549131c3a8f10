"""Adaptive polyphase sampling (Chaman & Dokmanic, CVPR 2021).

Stride s splits a map into s * s components, one for each position in a block of s x s elements.
Instead of always keeping the first one, as a strided layer does, a rule that does not depend on
the position keeps one or mixes them all: a circular shift of the input then permutes and shifts
the components, and the output only shifts. Learned rules are in `cnn_jax.ops.learned_polyphase`.
"""

import functools
from collections.abc import Sequence
from typing import Literal, get_args

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from cnn_jax.ops.axis import merge_axis, split_axis
from cnn_jax.ops.banded import AxisFilter, banded_choice
from cnn_jax.ops.blur import binomial_filter
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.phases import (
    SelectOn,
    blurred,
    check_blur,
    check_select_on,
    crop_blocks,
    two_strides,
)
from cnn_jax.ops.windows import Fill, require_2d, require_arrays, same_padding

Norm = Literal['l1', 'l2', 'max']


def aps_index(
    x: Float[Array, 'batch height width channels'],
    *,
    stride: int | Sequence[int] = 2,
    norm: Norm = 'l2',
    filter_size: int = 1,
    padding: Fill = 'circular',
) -> Int[Array, ' batch']:
    """For each example, the index of the component with the largest norm over space and channels.

    With stride s the index is s * column offset + row offset: for stride 2, components (0, 0),
    (1, 0), (0, 1), (1, 1) in (row, column). Equal norms: the smallest index. `filter_size` and
    `padding` blur the map first, as in `aps_pool`; `padding` also pads a map whose size is not a
    multiple of the stride. Norms are computed in float32 or wider: where squares overflow (values
    from 1e19), components cannot be told apart. A component with a NaN wins.

    Raises ValueError for an unknown norm, and otherwise as `aps_pool` does.

    >>> x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 2].set(9)
    >>> aps_index(x).tolist(), aps_index(jnp.ones((1, 4, 4, 1))).tolist()
    ([1], [0])
    """
    require_2d('aps_index', x)
    strides = two_strides(stride)
    if norm not in get_args(Norm):
        raise ValueError(f"norm must be 'l1', 'l2' or 'max'; got {norm!r}")
    x = blurred(lax.stop_gradient(x), filter_size, padding, strides)
    norms = _phase_norms(x, strides, norm)
    return jnp.argmax(merge_axis(norms.swapaxes(1, 2), 1), 1).astype(jnp.int32)


def aps_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    stride: int | Sequence[int] = 2,
    filter_size: int = 1,
    padding: Fill = 'circular',
    norm: Norm = 'l2',
    select_on: SelectOn = 'input',
    index: Int[Array, ' batch'] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """Binomial blur at stride 1, then the component `index` of each example.

    `index` defaults to `aps_index(x)`, or with `select_on='blurred'` to that of the blurred map.
    The authors' code selects on the input for CIFAR and on the blurred map for ImageNet; with
    filter_size=3 the two choose differently on some 40% of random maps. To keep the two branches of
    a residual block aligned, give the index of the main branch to the shortcut.

    n becomes ceil(n / stride). With 'circular' padding (here and in all layers before), rolling the
    input rolls the output, exactly, if both sizes are multiples of the stride and no two components
    have equal norms. Other sizes are padded at the high end by `padding`, 'circular' being the
    paper's choice, and are not equivariant. Every example needs its own filter position, so the
    blur reads filter_size + stride - 1 taps at the output's resolution instead of blurring the
    whole map. NaN in, NaN out, sometimes even for a NaN in a component that was not selected; an
    index outside 0 .. phases - 1 is not detected. The gradient is that of the selected component;
    the choice has none.

    Raises ValueError for a map that is not 2-D, a filter size outside 1..7 or, with 'circular',
    above the map's size, an unknown fill, norm or `select_on`, and an index of the wrong shape.

    >>> x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 2].set(9)
    >>> aps_pool(x)[0, :, :, 0].tolist()
    [[0.0, 9.0], [0.0, 0.0]]
    >>> aps_pool(jnp.roll(x, 1, 2))[0, :, :, 0].tolist()
    [[0.0, 9.0], [0.0, 0.0]]
    """
    require_2d('aps_pool', x)
    strides = two_strides(stride)
    check_blur(x, filter_size, padding)
    check_select_on(select_on)
    if index is None:
        seen = filter_size if select_on == 'blurred' else 1
        index = aps_index(x, stride=strides, norm=norm, filter_size=seen, padding=padding)
    offsets = _offsets(x, index, strides)
    weights, (low, high) = binomial_filter(filter_size), same_padding(filter_size)
    families, chosen = [], []
    for n, s, offset in zip(x.shape[1:-1], strides, offsets, strict=True):
        families.append(
            tuple(
                AxisFilter(n, (0.0,) * o + weights, s, (low, high + s - 1), -(-n // s), padding)
                for o in range(s)
            )
        )
        chosen.append(offset[:, None] == jnp.arange(s, dtype=offset.dtype))
    return banded_choice(x, families, chosen)


def aps_unpool(
    y: Float[Array, 'batch height width channels'],
    index: Int[Array, ' batch'],
    *,
    stride: int | Sequence[int] = 2,
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """Puts `y` back where `aps_pool` with the same `index` took it; zeros elsewhere.

    `size` is the size of the pooled map (default stride * n); the high end is cropped to it.

    >>> aps_unpool(jnp.ones((1, 1, 2, 1)), jnp.array([1]))[0, :, :, 0].tolist()
    [[0.0, 0.0, 0.0, 0.0], [1.0, 0.0, 1.0, 0.0]]
    """
    require_2d('aps_unpool', y)
    strides = two_strides(stride)
    chosen = _one_hot(_offsets(y, index, strides), strides)
    zero = jnp.zeros((), y.dtype)
    spread = jnp.where(chosen[:, None, :, None], y[:, :, None, :, None], zero)
    return crop_blocks(spread, size)


def _phase_norms(x: Array, strides: tuple[int, int], norm: Norm) -> Array:
    """(batch, row offset, column offset): values ordered as the norms are; l2 without the root.

    Blocks of rows are added first, one by one: a loop over whole rows of memory, three times faster
    than XLA:CPU's reduction of the same axis. Little is left for the second reduction.
    """
    _, height, width, channels = x.shape
    s, t = strides
    rows = merge_axis(merge_axis(at_least_float32(x), 2), 1)
    blocks = split_axis(rows, 1, s * width * channels)
    combine = jnp.maximum if norm == 'max' else jnp.add
    size = jnp.square if norm == 'l2' else jnp.abs
    columns = functools.reduce(combine, [size(blocks[:, i]) for i in range(height // s)])
    columns = split_axis(lax.optimization_barrier(columns), 1, width * channels)
    columns = split_axis(split_axis(columns, 2, channels), 2, t)
    return columns.max((2, 4)) if norm == 'max' else columns.sum((2, 4))


def _offsets(x: Array, index: Array, strides: tuple[int, int]) -> tuple[Array, Array]:
    """The (row, column) offset of each example."""
    require_arrays(index=index)
    if index.shape != x.shape[:1] or not jnp.issubdtype(index.dtype, jnp.integer):
        raise ValueError(
            f'index must be an integer for each of {x.shape[0]} examples; '
            f'got {index.dtype} {index.shape}'
        )
    return index % strides[0], index // strides[0] % strides[1]


def _one_hot(offsets: tuple[Array, Array], strides: tuple[int, int]) -> Array:
    """(batch, row phases, column phases, 1): True at the offsets."""
    row, column = (
        o[:, None] == jnp.arange(s, dtype=o.dtype) for o, s in zip(offsets, strides, strict=True)
    )
    return (row[:, :, None] & column[:, None, :])[..., None]
