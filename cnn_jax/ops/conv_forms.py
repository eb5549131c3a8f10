"""How a two-dimensional convolution is computed: by lax, or by a form that XLA:CPU runs faster.

Milliseconds on two cores of a CPU (jax 0.12, float32, batch 128 unless said, a fast allocator):
forward / gradient of the input / gradient of the kernel. Single figures move by a quarter between
runs of that machine. What was tried and lost is named with the form.

| (height and width, channels, features, window) | lax | the form here |
|---|---|---|
| 28, 1, 16, 5 | 4.6 / none / 1.5 | blocks 1.0 / none / 1.1 |
| 32, 96 depthwise, 3, batch 32 | 72 / 83 / 104 | taps 6 / 2 / 14 |
| 16, 192 depthwise, 7, batch 32 | 64 / 65 / 182 | taps 5 / 19 / 33 |
| 32, 128 in 32 groups, 3, batch 32 | 43 / 44 / 10,312 | bundles 17 / 17 / 26 |
| 8, 512 in 32 groups, 3, batch 32 | 13 / 13 / 3,192 | bundles 4 / 10 / 7 |
| 32, 64, 64, 3 | 52 / 51 / 130 to 154 | square product - / - / 114 |
| 16, 64, 128, 3 | - / - / 131 | square product - / - / 56 |
| 16, 128, 128, 3 | 49 / 48 / 227 to 321 | square product - / - / 93 |
| 14, 128, 128, 3 | - / - / 95 | square product - / - / 72 |
| 8, 128, 128, 3 | - / - / 15 | lax stays: square product 25 |
| 8, 256, 256, 3 | 47 / 47 / 69 | lax stays: square product 86 |
| 14, 16, 32, 5 | 4 / 4 / 5.4 | lax stays: square product 13 |
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from cnn_jax.ops.windows import Pairs

Form = Callable[[Array, Array], Array]

_BLOCK = 4  # output columns per matrix-product row: measured best of 2, 4, 7, 14 at 28x28
_BUNDLE = 16  # channels of a bundle of groups, at least: best of 4, 8, 16, 32 at 32x32, 4 a group
_SQUARE = (64, 128)  # channels and features for which the square product beats lax
_SQUARE_PLACES = 14 * 14  # and output positions, at least
_CHUNKS = 4  # of the batch in the square product: best of 1, 4, 16, 32


def by_lax(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, groups: int
) -> Array:
    """The portable form."""
    return lax.conv_general_dilated(
        x,
        kernel,
        strides,
        pairs,
        dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
        feature_group_count=groups,
    )


def form_for_cpu(
    x: Array,
    kernel: Array,
    *,
    strides: tuple[int, int],
    pairs: Pairs,
    groups: int,
    out: tuple[int, int],
) -> Form | None:
    """The form that is faster than lax on a CPU for these shapes, if one is known."""
    height, width, channels, features = kernel.shape
    if groups > 1:
        if channels == 1 and features == groups:
            return partial(_by_taps, strides=strides, pairs=pairs, out=out)
        return partial(_by_bundles, strides=strides, pairs=pairs, groups=groups)
    if strides != (1, 1):
        return None
    if channels == 1 and out[1] % _BLOCK == 0:
        return partial(_by_blocks, pairs=pairs, out=out)
    low, high = _SQUARE
    fits = (
        height == width == 3 and low <= min(channels, features) <= max(channels, features) <= high
    )
    if fits and out[0] * out[1] >= _SQUARE_PLACES and x.dtype == jnp.float32:
        return partial(_with_square_gradient, pairs)
    return None


def _by_blocks(x: Array, kernel: Array, *, pairs: Pairs, out: tuple[int, int]) -> Array:
    """One matrix product in which a row holds the input of `_BLOCK` neighbouring outputs.

    Plain im2col copies each input k * k times and multiplies by too narrow a matrix; with four
    outputs a row, neighbours share their patch and the kernel becomes a (k * (k + 3), 4 features)
    matrix of four shifted copies.
    """
    height, width, _, features = kernel.shape
    xp = jnp.pad(x[..., 0], ((0, 0), *pairs))
    span = _BLOCK + width - 1
    columns = jnp.stack([xp[:, :, j : j + span] for j in range(0, out[1], _BLOCK)], 2)
    rows = jnp.stack([columns[:, i : i + out[0]] for i in range(height)], 3)
    shifted = jnp.stack(
        [jnp.pad(kernel[:, :, 0], ((0, 0), (t, _BLOCK - 1 - t), (0, 0))) for t in range(_BLOCK)], 2
    )
    y = rows.reshape(-1, height * span) @ shifted.reshape(height * span, _BLOCK * features)
    return y.reshape(x.shape[0], *out, features)


def _by_taps(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """A depthwise convolution as the sum over the window of shifted, weighted maps, in one loop.

    lax computes the kernel's gradient of a dense convolution and keeps its diagonal.
    """
    xp = jnp.pad(x, ((0, 0), *pairs, (0, 0)))
    (down, right), (rows, columns) = strides, out
    taps = (
        xp[:, i : i + down * (rows - 1) + 1 : down, j : j + right * (columns - 1) + 1 : right]
        * kernel[i, j, 0]
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    )
    return sum(taps, jnp.zeros((), x.dtype))


def _by_bundles(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, groups: int
) -> Array:
    """Neighbouring groups as one dense convolution, its kernel zero between groups.

    lax takes 500 times as long for the kernel's gradient. Bundles of all groups, one group each,
    and a product for each element of the window all lost.
    """
    height, width, channels, features = kernel.shape
    each = features // groups
    sizes = (n for n in range(1, groups) if groups % n == 0 and n * channels >= _BUNDLE)
    size = next(sizes, groups)
    apart = kernel.reshape(height, width, channels, groups, each)
    parts = []
    for start in range(0, groups, size):
        own = jnp.eye(size, dtype=kernel.dtype)
        dense = jnp.einsum('hwcgf,gk->hwkcgf', apart[:, :, :, start : start + size], own)
        parts.append(
            by_lax(
                x[..., start * channels : (start + size) * channels],
                dense.reshape(height, width, size * channels, size * each),
                strides=strides,
                pairs=pairs,
                groups=1,
            )
        )
    return jnp.concatenate(parts, -1)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _with_square_gradient(pairs: Pairs, x: Array, kernel: Array) -> Array:
    """lax, with a gradient of the kernel as one matrix product that is nearly square.

    The map, once for each column of the window, times the gradient, once for each row: 3 channels x
    3 features of sums over all positions, none of them superfluous. im2col of one side alone makes
    a narrow product; a product for each element of the window reads everything nine times.
    """
    return by_lax(x, kernel, strides=(1, 1), pairs=pairs, groups=1)


def _square_forward(pairs: Pairs, x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    return _with_square_gradient(pairs, x, kernel), (x, kernel)


def _square_backward(pairs: Pairs, kept: tuple[Array, Array], g: Array) -> tuple[Array, Array]:
    x, kernel = kept
    height, width, channels, features = kernel.shape
    _, pullback = jax.vjp(lambda x: by_lax(x, kernel, strides=(1, 1), pairs=pairs, groups=1), x)
    xp = jnp.pad(x, ((0, 0), *pairs, (0, 0)))
    wide = jnp.concatenate([xp[:, :, j : j + g.shape[2]] for j in range(width)], -1)
    rows = [jnp.pad(g, ((0, 0), (i, height - 1 - i), (0, 0), (0, 0))) for i in range(height)]
    high = jnp.concatenate(rows, -1)
    chunks = _CHUNKS if len(x) % _CHUNKS == 0 else 1
    products = jnp.einsum(
        'snc,snf->scf',
        wide.reshape(chunks, -1, width * channels),
        high.reshape(chunks, -1, height * features),
    )
    sums = products.sum(0).reshape(width, channels, height, features)
    return pullback(g)[0], sums.transpose(2, 0, 1, 3)


_with_square_gradient.defvjp(_square_forward, _square_backward)
