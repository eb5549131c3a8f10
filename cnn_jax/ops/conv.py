"""Convolution (which in this field means correlation) in two dimensions."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import jax
from jax import lax
from jax.sharding import PartitionSpec
from jaxtyping import Array, Float

from cnn_jax.ops.axis import pad_axis
from cnn_jax.ops.compiled import is_sharded
from cnn_jax.ops.conv_forms import form_for_cpu, forms
from cnn_jax.ops.windows import (
    Fill,
    Padding,
    check_fill,
    output_size,
    padding_pairs,
    per_axis,
    spatial_rank,
)


def conv(
    x: Float[Array, 'batch height width channels'],
    kernel: Float[Array, 'kernel_height kernel_width group_channels features'],
    *,
    stride: int | Sequence[int] = 1,
    padding: Padding = 'same',
    fill: Fill = 'zero',
    groups: int = 1,
    strict: bool = False,
) -> Float[Array, 'batch out_height out_width features']:
    """Correlates `x` with `kernel`: y[i, j, f] = sum x[s i + u, s j + v, c] kernel[u, v, c, f].

    `fill` says what the padding holds; 'circular' with stride 1 commutes with circular shifts. With
    `groups`, channels and features are split into that many equal runs, and each run of features
    sees only its own run of channels: `groups` = channels is a depthwise convolution.

    On a CPU, special implementations handle a single input channel, groups, 3x3 windows over 64
    channels or more (32 on small maps), strides, 1x1 windows and windows larger than the map;
    `cnn_jax.ops.conv_forms` lists their times beside lax's. With them, some outputs near an
    infinite input are NaN where lax gives finite values. Everything else, and every other backend,
    uses lax.

    Raises ValueError where channels do not match, the window does not fit (with `strict`, does not
    fit evenly: see `output_size`) or the fill is unknown.

    >>> import jax.numpy as jnp
    >>> x = jnp.ones((1, 3, 3, 1))
    >>> conv(x, jnp.ones((3, 3, 1, 1)))[0, :, :, 0].tolist()
    [[4.0, 6.0, 4.0], [6.0, 9.0, 6.0], [4.0, 6.0, 4.0]]
    """
    (groups,) = per_axis('groups', groups, 1)
    if spatial_rank(x) != 2 or kernel.ndim != 4 or kernel.shape[2] * groups != x.shape[-1]:
        raise ValueError(
            f'x must be (batch, height, width, channels) and kernel (height, width, channels / '
            f'groups, features) with equal channels; got {x.shape}, {kernel.shape}, groups {groups}'
        )
    if kernel.shape[3] % groups:
        raise ValueError(f'groups must divide the {kernel.shape[3]} features; got {groups}')
    check_fill('fill', fill)
    if is_sharded(x) or is_sharded(kernel):
        options = {'stride': stride, 'padding': padding, 'fill': fill, 'groups': groups}
        return _by_partitioner(partial(conv, **options, strict=strict), x, kernel)
    window = kernel.shape[:2]
    strides = per_axis('stride', stride, 2)
    pairs = padding_pairs(padding, window)
    out_height, out_width = output_size(
        x.shape[1:-1], window=window, stride=strides, padding=pairs, strict=strict
    )

    if fill != 'zero':
        for axis, (low, high) in enumerate(pairs, start=1):
            x = pad_axis(x, axis, low, high, fill)
        pairs = ((0, 0), (0, 0))
    options = {'strides': strides, 'groups': groups, 'out': (out_height, out_width)}
    name = form_for_cpu(x, kernel, **options)
    able = forms(x, kernel, pairs=pairs, **options)
    if name == 'lax':
        return able['lax'](x, kernel)
    return lax.platform_dependent(x, kernel, cpu=able[name], default=able['lax'])


def _by_partitioner(form: Callable[[Array, Array], Array], x: Array, kernel: Array) -> Array:
    """`form` on a mesh with explicit axes: XLA partitions it, as it does where axes are automatic.

    JAX has no rule there for a kernel's gradient, which sums over a sharded batch. The batch and
    the features of the result are sharded like those of `x` and `kernel`; space is not sharded.
    """
    batch, features = jax.typeof(x).sharding.spec[0], jax.typeof(kernel).sharding.spec[-1]
    over = PartitionSpec(batch, None, None, None if _names(features) & _names(batch) else features)
    partitioned = cast(Callable[..., Array], jax.sharding.auto_axes(form, out_sharding=over))
    return partitioned(x, kernel)


def _names(axes: str | tuple[str, ...] | None) -> set[str]:
    """The mesh axes of one entry of a PartitionSpec."""
    return set() if axes is None else {axes} if isinstance(axes, str) else set(axes)
