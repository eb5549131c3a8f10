"""How a two-dimensional convolution is computed: by lax, or by a form that XLA:CPU runs faster.

Milliseconds on two cores of a CPU (`python -m experiments.bench_conv`; jax 0.12, float32, tcmalloc,
batch 128, or 32 with groups), each direction timed alone; * is the form used here. Times vary by a
quarter, some by more, between runs on that machine, but those of one row vary together.
Alternatives that were slower are named with each form.

| side, channels, features, window, stride, groups | ms: forward, d input, d kernel | * / lax |
|---|---|---|
| 28, 1, 16, 5, 1, 1 | lax 6 / 7 / 2.4; *blocks 1.2 / 2.0 / 1.5 | 0.29 |
| 14, 16, 32, 5, 1, 1 | *lax 4.9 / 6 / 6 | 1.00 |
| 32, 3, 64, 3, 1, 1 | *lax 8 / 8 / 14; tiles 24 / 30 / 29 | 1.00 |
| 32, 96, 96, 3, 1, 96 | lax 52 / 55 / 59; *taps 2.0 / 1.1 / 13; bundles 11 / 11 / 20 | 0.10 |
| 16, 192, 192, 7, 1, 192 | lax 63 / 63 / 171; *taps 3.9 / 21 / 30; bundles 23 / 25 / 21 | 0.18 |
| 32, 128, 128, 3, 1, 32 | lax 44 / 52 / 12879; *bundles 20 / 20 / 32 | 0.01 |
| 8, 512, 512, 3, 1, 32 | lax 13 / 13 / 3369; *bundles 6 / 15 / 9 | 0.01 |
| 32, 64, 64, 3, 1, 1 | lax 63 / 63 / 187; *tiles 67 / 80 / 75 | 0.71 |
| 16, 64, 128, 3, 1, 1 | lax 28 / 27 / 150; *tiles 26 / 27 / 28 | 0.39 |
| 16, 128, 128, 3, 1, 1 | lax 54 / 55 / 347; *tiles 41 / 47 / 45 | 0.29 |
| 8, 256, 256, 3, 1, 1 | lax 57 / 56 / 70; *tiles 34 / 35 / 40 | 0.60 |
| 4, 512, 512, 3, 1, 1 | lax 59 / 63 / 67; *tiles 30 / 31 / 35; positions 150 / 147 / 101 | 0.51 |
| 2, 512, 512, 3, 1, 1 | lax 1258 / 1188 / 14; tiles 9 / 9 / 10; *positions 8 / 9 / 7 | 0.01 |
| 5, 64, 64, 7, 1, 1 | lax 167 / 166 / 10; *positions 6 / 7 / 6 | 0.06 |
| 32, 64, 128, 3, 2, 1 | lax 39 / 62 / 279; *columns 72 / 48 / 86 | 0.54 |
| 16, 128, 256, 3, 2, 1 | lax 35 / 43 / 61; *columns 51 / 44 / 46 | 1.02 |
| 8, 256, 512, 3, 2, 1 | lax 35 / 33 / 40; *columns 36 / 29 / 34 | 0.92 |
| 16, 256, 64, 1, 1, 1 | lax 9 / 8 / 29; *columns 7 / 8 / 18 | 0.72 |
| 8, 128, 256, 1, 1, 1 | lax 3.7 / 4.2 / 12; *columns 3.5 / 3.4 / 4.4 | 0.55 |
| 32, 64, 128, 1, 2, 1 | lax 6 / 11 / 48; *columns 7 / 7 / 7 | 0.32 |
| 28, 1, 32, 5, 2, 1 | *lax 1.0 / 2.5 / 0.8; columns 1.1 / 1.2 / 1.0 | 1.00 |
| 64, 3, 64, 7, 2, 1 | *lax 21 / 86 / 54; columns 51 / 71 / 51 | 1.00 |
"""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from cnn_jax.ops.compiled import is_symbolic
from cnn_jax.ops.taps import slice_or_fill
from cnn_jax.ops.windows import Pairs

Form = Callable[[Array, Array], Array]

_BLOCK = 4  # output columns per matrix-product row: measured best of 2, 4, 7, 14 at 28x28
_BUNDLE = 16  # least channels of a bundle of groups: best of 4, 8, 16, 32 at 32x32, 4 per group
_MANY, _FEW = 64, 32  # least channels and features for tiles and columns; _FEW on small maps
_SMALL = 16 * 16  # outputs of a small map, at most
_TILED = 128  # least outputs over all images: fewer tiles are not worth the kernel's sums
_TILED_PLACES = 64 * 64  # most outputs of an image: beyond that, the sums take too much memory
_SHARE = 1 << 19  # least bytes of an array of tiles: best of 2^18 to 2^21 at 32x32 and 16x16
_COLUMN_PLACES = 4 * 4  # least outputs for columns
_TAPPED = 9 * 9  # most elements of a depthwise window: beyond that, compiling takes too long
_DENSE = 25 * 25  # most pairs of positions for the dense form


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
    groups: int,
    out: tuple[int, int],
) -> str:
    """The name of the fastest known form on a CPU for these shapes."""
    if x.shape[0] == 0:
        return 'lax'
    height, width, channels, features = kernel.shape
    places = math.prod(out)
    many = min(channels, features) >= (_FEW if places <= _SMALL else _MANY)
    many = many and x.dtype not in (jnp.bfloat16, jnp.float16)
    if groups > 1:
        few = channels == 1 and features == groups and height * width <= _TAPPED
        return 'taps' if few else 'bundles'
    if x.shape[1] < height or x.shape[2] < width:
        return 'positions' if places * x.shape[1] * x.shape[2] <= _DENSE else 'lax'
    if height == width == 1:
        return 'columns'
    if strides != (1, 1):
        return 'columns' if many and places >= _COLUMN_PLACES else 'lax'
    if channels == 1 and out[1] % _BLOCK == 0:
        return 'blocks'
    tiled = height == width == 3 and many and places <= _TILED_PLACES
    enough = is_symbolic(x) or x.shape[0] * places >= _TILED
    return 'tiles' if tiled and enough else 'lax'


def forms(
    x: Array,
    kernel: Array,
    *,
    strides: tuple[int, int],
    pairs: Pairs,
    groups: int,
    out: tuple[int, int],
) -> dict[str, Form]:
    """Every form that can compute these shapes, by name."""
    height, width, channels, features = kernel.shape
    plain = strides == (1, 1) and groups == 1
    able = {
        'blocks': (_by_blocks, plain and channels == 1 and out[1] % _BLOCK == 0),
        'taps': (_by_taps, channels == 1 and features == groups),
        'bundles': (partial(_by_bundles, groups=groups), groups > 1),
        'tiles': (_by_tiles, plain and height == width == 3),
        'columns': (_by_columns, groups == 1),
        'positions': (_by_positions, groups == 1 and math.prod((*out, *x.shape[1:3])) <= _DENSE),
    }
    found: dict[str, Form] = {'lax': partial(by_lax, strides=strides, pairs=pairs, groups=groups)}
    for name, (form, can) in able.items():
        if can:
            found[name] = partial(_apart, partial(form, strides=strides, pairs=pairs, out=out))
    return found


def _apart(form: Form, x: Array, kernel: Array) -> Array:
    """Computes the map, and in the backward pass the gradient, once before the form reads it.

    These forms read it in up to 16 loops, and XLA would recompute the ops before it, such as the
    batch norms of residual blocks, in each: 2,990 ms per step of ResNet-18 instead of 2,480.
    """
    return lax.optimization_barrier(form(lax.optimization_barrier(x), kernel))


def _by_blocks(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """One matrix product in which a row holds the input of `_BLOCK` neighbouring outputs.

    Plain im2col copies each input k * k times and multiplies by too narrow a matrix; with four
    outputs a row, neighbours share their patch and the kernel becomes a (k * (k + 3), 4 features)
    matrix of four shifted copies.
    """
    height, width, _, features = kernel.shape
    span = _BLOCK + width - 1
    xp = jnp.pad(x[..., 0], ((0, 0), *pairs))
    columns = jnp.stack([xp[:, :, j : j + span] for j in range(0, out[1], _BLOCK)], 2)
    rows = jnp.stack([columns[:, i : i + out[0]] for i in range(height)], 3)
    shifted = [
        jnp.pad(kernel[:, :, 0], ((0, 0), (t, _BLOCK - 1 - t), (0, 0))) for t in range(_BLOCK)
    ]
    blocks = jnp.stack(shifted, 2).reshape(height * span, _BLOCK * features)
    return (rows.reshape(-1, height * span) @ blocks).reshape(x.shape[0], *out, features)


def _by_taps(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """A depthwise convolution as the sum over the window of shifted, weighted maps, in one loop.

    For the kernel's gradient, lax computes that of a dense convolution and keeps its diagonal.
    """
    height, width, _, features = kernel.shape
    taps = _taps(x, (height, width), strides, pairs, out)
    weighted = (tap * w for tap, w in zip(taps, kernel.reshape(-1, features), strict=True))
    return sum(weighted, jnp.zeros((), x.dtype))


def _by_bundles(
    x: Array,
    kernel: Array,
    *,
    strides: tuple[int, int],
    pairs: Pairs,
    groups: int,
    out: tuple[int, int],
) -> Array:
    """Neighbouring groups as one dense convolution, its kernel zero between groups.

    lax takes 500 times as long for the kernel's gradient. One bundle of all groups, one bundle per
    group, and a product for each element of the window were all slower.
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


def _by_tiles(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """Winograd's minimal filtering F(2x2, 3x3): 16 products for four outputs instead of 36.

    Lavin & Gray, CVPR 2016, "Fast algorithms for convolutional neural networks", section 4.1. Each
    tile of 4x4 inputs, and the kernel, become 16 sums (B^T d B and G g G^T); 16 matrix products add
    up the channels; four outputs are sums of those (A^T m A). Derivatives take the same products.
    There are sixteen arrays, because stacking them for a batched product costs one more copy; the
    sums of the tiles are four times as large as the map, so they are recomputed for the gradient.
    A few images are handled at a time, because the sums of all do not fit the cache: both
    derivatives in one call take 140 instead of 156 ms at 32x32 with 64 channels, 95 instead of 107
    at 16x16 with 128.
    """
    even = [n + n % 2 for n in out]
    sizes = zip(pairs, even, x.shape[1:-1], strict=True)
    need = [(low, n + 2 - size - low, 0) for (low, _), n, size in sizes]
    columns = [_kernel_sums(*kernel[:, j]) for j in range(3)]
    kernels = [_kernel_sums(*column) for column in zip(*columns, strict=True)]

    @jax.checkpoint
    def tiled(x: Array, kernels: list[tuple[Array, ...]]) -> Array:
        xp = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0), *need, (0, 0, 0)])
        images, height, width, channels = xp.shape
        halves = xp.reshape(images, height // 2, 2, width // 2, 2, channels)
        tiles = [
            _tile_sums(row[:, :, :, 0], row[:, :, :, 1], axis=2)
            for row in _tile_sums(halves[:, :, 0], halves[:, :, 1], axis=1)
        ]
        rows = [
            _output_sums(*(t.reshape(-1, channels) @ k for t, k in zip(*row, strict=True)))
            for row in zip(tiles, kernels, strict=True)
        ]
        outputs = [_output_sums(*column) for column in zip(*rows, strict=True)]
        split = images, height // 2 - 1, width // 2 - 1, -1
        y = jnp.stack([jnp.stack([v.reshape(split) for v in o], 2) for o in outputs], 4)
        return y.reshape(images, *even, -1)

    if is_symbolic(x):
        y = tiled(x, kernels)
    else:
        share = _images_at_once(len(x), math.prod(even) // 4 * x.shape[-1] * x.dtype.itemsize)
        parts = x.reshape(-1, share, *x.shape[1:])
        y = lax.map(lambda part: tiled(part, kernels), parts).reshape(len(x), *even, -1)
    return y[:, : out[0], : out[1]]


def _images_at_once(images: int, size: int) -> int:
    """The least divisor of `images` that fills a large enough array at `size` bytes each; or all.

    XLA:CPU runs a loop over less than two times 256 KiB on one thread.
    """
    enough = (n for n in range(1, images) if images % n == 0 and n * size >= _SHARE)
    return next(enough, images)


def _tile_sums(even: Array, odd: Array, *, axis: int) -> tuple[Array, ...]:
    """B^T d, for every tile: d is four neighbours (even, odd, next even, next odd) on an axis."""
    first, third = (lax.slice_in_dim(even, i, even.shape[axis] - 1 + i, axis=axis) for i in (0, 1))
    second, fourth = (lax.slice_in_dim(odd, i, odd.shape[axis] - 1 + i, axis=axis) for i in (0, 1))
    return first - third, second + third, third - second, second - fourth


def _kernel_sums(first: Array, second: Array, third: Array) -> tuple[Array, ...]:
    """G g."""
    outer = (first + third) / 2
    return first, outer + second / 2, outer - second / 2, third


def _output_sums(first: Array, second: Array, third: Array, fourth: Array) -> tuple[Array, Array]:
    """A^T m."""
    return first + second + third, second - third - fourth


def _by_columns(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """im2col: the input of each output as a row, times the kernel.

    With a stride the rows hold each input only two or three times, and for a 1x1 window they are
    the map itself: lax takes up to seven times as long for the gradient of such a kernel.
    """
    height, width, channels, features = kernel.shape
    rows = jnp.concatenate(list(_taps(x, (height, width), strides, pairs, out)), -1)
    y = rows.reshape(-1, height * width * channels) @ kernel.reshape(-1, features)
    return y.reshape(x.shape[0], *out, features)


def _by_positions(
    x: Array, kernel: Array, *, strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Array:
    """A dense layer between all positions, for a map smaller than the window.

    There lax takes 10 to 100 times as long as its arithmetic should.
    """
    height, width, channels, features = kernel.shape
    size = x.shape[1:-1]
    flat = kernel.reshape(1, height, width, channels * features)
    (down, right), ((top, _), (left, _)) = strides, pairs
    seen = [  # for the output at (i, j): the part of the kernel that lies over the map
        slice_or_fill(flat, [top - down * i, left - right * j], size) for i, j in np.ndindex(*out)
    ]
    dense = jnp.stack([part.reshape(-1, features) for part in seen], 1)
    y = x.reshape(x.shape[0], -1) @ dense.reshape(-1, len(seen) * features)
    return y.reshape(x.shape[0], *out, features)


def _taps(
    x: Array, window: Sequence[int], strides: tuple[int, int], pairs: Pairs, out: tuple[int, int]
) -> Iterator[Array]:
    """The input at each position of the window, for all outputs.

    With lax's slices: where the batch is symbolic, jnp's are gathers, whose gradients scatter.
    """
    xp = jnp.pad(x, ((0, 0), *pairs, (0, 0)))
    (down, right), (rows, columns) = strides, out
    for i, j in np.ndindex(*window):
        part = lax.slice_in_dim(xp, i, i + down * (rows - 1) + 1, down, axis=1)
        yield lax.slice_in_dim(part, j, j + right * (columns - 1) + 1, right, axis=2)
