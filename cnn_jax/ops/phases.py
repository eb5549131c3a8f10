"""Polyphase components: split a map, weight and mix its phases, put one back.

Forward and adjoint are written by hand, as in `cnn_jax.ops.axis`, so that neither holds a gather or
a scatter.
"""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

from cnn_jax.ops.axis import merge_axis, split_axis
from cnn_jax.ops.banded import AxisFilter, banded
from cnn_jax.ops.blur import binomial_filter
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.linear import bilinear
from cnn_jax.ops.windows import Fill, check_fill, per_axis, require_2d, same_padding

SelectOn = Literal['input', 'blurred']


def polyphase_components(
    x: Float[Array, 'batch height width channels'], *, stride: int | Sequence[int] = 2
) -> Float[Array, 'batch phases out_height out_width channels']:
    """All components, in row-major order of their offsets: (0, 0), (0, 1), (1, 0), (1, 1).

    Sizes that are not multiples of the stride are zero-padded at the high end.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> polyphase_components(x)[0, :, :, :, 0].tolist()[1]
    [[1.0, 3.0], [9.0, 11.0]]
    """
    require_2d('polyphase_components', x)
    strides = two_strides(stride)
    x = blurred(x, 1, 'zero', strides)
    return merge_axis(split_blocks(x, strides).transpose(0, 2, 4, 1, 3, 5), 1)


def two_strides(stride: int | Sequence[int]) -> tuple[int, int]:
    """The stride of rows and of columns.

    >>> two_strides(2)
    (2, 2)
    """
    rows, columns = per_axis('stride', stride, 2)
    return rows, columns


def split_blocks(x: Array, strides: Sequence[int]) -> Array:
    """(batch, height, width, channels) -> (batch, rows, stride, columns, stride, channels)."""
    return split_axis(split_axis(x, 2, strides[1]), 1, strides[0])


def merge_blocks(blocks: Array) -> Array:
    """(batch, rows, stride, columns, stride, channels) -> (batch, height, width, channels)."""
    return merge_axis(merge_axis(blocks, 1), 2)


def crop_blocks(blocks: Array, size: int | Sequence[int] | None) -> Array:
    """(batch, rows, stride, columns, stride, channels) -> (batch, *size, channels)."""
    _, rows, s, columns, t, _ = blocks.shape
    x = merge_blocks(blocks)
    if size is None:
        return x
    height, width = per_axis('size', size, 2)
    if (-(-height // s), -(-width // t)) != (rows, columns):
        raise ValueError(f'size {size} must become {(rows, columns)} at stride {(s, t)}')
    return x[:, :height, :width]


def check_blur(x: Array, filter_size: int, padding: str) -> None:
    """Raises ValueError unless the binomial filter can be applied to `x` with that border."""
    binomial_filter(filter_size)
    check_fill('padding', padding)
    if padding == 'circular' and min(x.shape[1:-1]) < filter_size:
        raise ValueError(
            f'circular padding needs a map at least as large as filter_size = {filter_size}; '
            f'got {x.shape[1:-1]}'
        )


def blurred(x: Array, filter_size: int, padding: Fill, strides: Sequence[int]) -> Array:
    """`x` blurred at stride 1, padded at its high end to multiples of the strides."""
    check_blur(x, filter_size, padding)
    weights, (low, high) = binomial_filter(filter_size), same_padding(filter_size)
    filters = []
    for n, s in zip(x.shape[1:-1], strides, strict=True):
        more = -n % s
        filters.append(AxisFilter(n, weights, 1, (low, high + more), n + more, padding))
    unchanged = filter_size == 1 and all(f.out == f.size for f in filters)
    return x if unchanged else banded(x, filters)


def check_select_on(select_on: str) -> None:
    """Raises ValueError unless `select_on` is one of its two values."""
    if select_on not in get_args(SelectOn):
        raise ValueError(f"select_on must be 'input' or 'blurred'; got {select_on!r}")


def mix_phases(
    x: Float[Array, 'batch height width channels'],
    weights: Float[Array, 'batch row_phases column_phases weighted'],
) -> Float[Array, 'batch out_height out_width channels']:
    """The weighted sum of the components of a map whose sizes are multiples of the stride.

    `weighted` is 1 or channels. A component of weight zero does not count, even if not finite.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> mix_phases(x, jnp.array([0.5, 0.5, 0, 0]).reshape(1, 2, 2, 1)).tolist()
    [[[[0.5]]]]
    """
    return _mix(x, weights)


def _mixed(x: Array, weights: Array) -> Array:
    rows, columns = weights.shape[1:3]
    blocks = split_blocks(x, (rows, columns))
    weights = weights.astype(x.dtype)
    parts = [
        _scaled(weights[:, None, None, i, j], blocks[:, :, i, :, j])
        for i in range(rows)
        for j in range(columns)
    ]
    return sum(parts[1:], parts[0])


def _mix_transpose(x: Array, weights: Array, g: Array) -> list[Array]:
    spread = weights.astype(x.dtype)[:, None, :, None]
    dx = merge_blocks(_scaled(spread, g[:, :, None, :, None]))
    product = (
        at_least_float32(split_blocks(x, weights.shape[1:3]))
        * at_least_float32(g)[:, :, None, :, None]
    )
    total = product.sum((1, 3))
    if weights.shape[-1] == 1:
        total = total.sum(-1, keepdims=True)
    return [dx, total.astype(weights.dtype)]


_mix = bilinear(_mixed, _mix_transpose)


@jax.custom_jvp
def _scaled(weights: Array, values: Array) -> Array:
    """weights * values; 0 where the weight is 0, even times infinity; derivatives are exact."""
    return jnp.where(weights == 0, jnp.zeros((), values.dtype), weights * values)


def _scaled_rule(arrays, tangents):
    (weights, values), (dweights, dvalues) = arrays, tangents
    terms = [] if isinstance(dvalues, SymbolicZero) else [_scaled(weights, dvalues)]
    terms += [] if isinstance(dweights, SymbolicZero) else [dweights * values]
    return _scaled(weights, values), sum(terms[1:], terms[0])


_scaled.defjvp(_scaled_rule, symbolic_zeros=True)
