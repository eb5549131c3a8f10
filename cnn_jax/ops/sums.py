"""Sums over all axes but the channels.

XLA:CPU's own loop for them takes five to ten times as long as one that adds wide rows: 0.82
against 0.13 ms for (128, 28, 28, 16) on two cores. Its library of fused kernels is as fast, but it
returns wrong numbers for other programs and is switched off (see `cnn_jax.xla_flags`).
"""

from functools import reduce

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnn_jax.ops.compiled import computed_once, is_sharded, is_symbolic
from cnn_jax.ops.linear import Arrays, linear_map

_WIDTH = 256  # elements per row, about; 128 to 512 are equally fast
_PARTS = 8  # most parts of a batch; with 4 or 16 the loop is slower


def channel_sums(x: Float[Array, '*axes channels']) -> Float[Array, 'channels']:
    """The sum over all axes but the last.

    Consecutive positions are put side by side in rows of about 256 elements; the rows are added
    up, then the positions within the resulting row. A symbolic or sharded array, whose axes cannot
    be reshaped freely, is summed plainly.

    >>> channel_sums(jnp.arange(6.0).reshape(3, 2)).tolist()
    [6.0, 9.0]
    """
    if is_symbolic(x) or is_sharded(x) or not x.size:
        return x.sum(range(x.ndim - 1))
    channels = x.shape[-1]
    number = x.size // channels
    most = min(number, max(2, _WIDTH // channels))
    together = next((k for k in range(most, 1, -1) if number % k == 0), 1)
    rows = computed_once(x).reshape(number // together, together * channels).sum(0)
    return rows.reshape(together, channels).sum(0)


def folded_channel_sums(x: Float[Array, 'batch *axes channels']) -> Float[Array, 'channels']:
    """`channel_sums` of a computed array, whose eighths (if 8 divides the batch) are added first.

    XLA:CPU sums fast only what is already in memory; this way only an eighth of `x` is written.

    >>> x = jnp.arange(6.0).reshape(3, 2)
    >>> folded_channel_sums(x * x).tolist()
    [20.0, 35.0]
    """
    if is_symbolic(x) or is_sharded(x) or not x.size:
        return x.sum(range(x.ndim - 1))
    parts = next(n for n in range(_PARTS, 0, -1) if x.shape[0] % n == 0)
    return channel_sums(computed_once(reduce(jnp.add, jnp.split(x, parts))))


def add_bias(
    x: Float[Array, '*axes channels'], bias: Float[Array, 'channels']
) -> Float[Array, '*axes channels']:
    """x + bias in the dtype of `x`; the gradient of the bias is `channel_sums`.

    >>> add_bias(jnp.zeros((2, 2)), jnp.array([1.0, 2.0])).tolist()
    [[1.0, 2.0], [1.0, 2.0]]
    """

    def repeat(_, arrays: Arrays) -> Arrays:
        return [jnp.broadcast_to(arrays[0], x.shape)]

    def total(_, cotangents: Arrays) -> Arrays:
        return [channel_sums(cotangents[0])]

    return x + linear_map(repeat, total, (), (bias.astype(x.dtype),))[0]
