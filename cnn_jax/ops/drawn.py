"""Max pooling at random positions: windows at random spacings (fractional), random rows (S3)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from cnn_jax.ops.axis import merge_axis, split_axis
from cnn_jax.ops.linear import Arrays, linear_map
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.windows import per_axis, spatial_rank


def fractional_max_pool(
    x: Float[Array, 'batch *spatial channels'],
    samples: Float[Array, 'batch channels rank'],
    *,
    window: int | Sequence[int] = 2,
    size: int | Sequence[int],
) -> Float[Array, 'batch *out channels']:
    """The maximum of `size` windows on each axis, about (n - window) / (size - 1) elements apart.

    Graham 2014, "Fractional max-pooling" (arXiv:1412.6071), in the pseudorandom form of section 2
    with windows that may overlap, as in torch.nn.FractionalMaxPool2d: with
    alpha = (n - window) / (size - 1) and a number u in [0, 1), window i starts at
    floor((i + u) alpha) - floor(u alpha), and the last one ends with the axis. `samples` holds u
    for each example, channel and axis: random in training, constant for reproducible results.
    Consecutive starts are floor(alpha) or one more apart. At ties the first element takes the whole
    gradient.

    Raises ValueError for windows that do not fit or sizes above n - window + 1.

    >>> x = jnp.arange(6.0).reshape(1, 6, 1)
    >>> fractional_max_pool(x, jnp.full((1, 1, 1), 0.5), size=4)[0, :, 0].tolist()
    [1.0, 3.0, 4.0, 5.0]
    """
    rank = spatial_rank(x)
    windows, sizes = per_axis('window', window, rank), per_axis('size', size, rank)
    expected = (x.shape[0], x.shape[-1], rank)
    if np.shape(samples) != expected:
        raise ValueError(
            f'samples must be (batch, channels, spatial axes), here {expected}; '
            f'got {np.shape(samples)}'
        )
    for n, k, out in zip(x.shape[1:-1], windows, sizes, strict=True):
        if k <= n < k + out - 1:
            raise ValueError(
                f'size must be at most n - window + 1, here {n} - {k} + 1 = {n - k + 1}; got {out}'
            )
    y = max_pool(x, window=windows, stride=1)
    for axis, out in enumerate(sizes, start=1):
        first, later = _starts(samples[..., axis - 1], y.shape[axis], out)
        shape = [1] * y.ndim
        shape[0], shape[axis], shape[-1] = later.shape
        here, after = _rows(y, axis, first), _rows(y, axis, np.minimum(first + 1, first[-1]))
        y = jnp.where(later.reshape(shape), after, here)
    return y


def _starts(
    samples: Float[Array, 'batch channels'], places: int, out: int
) -> tuple[np.ndarray, Bool[Array, 'batch {out} channels']]:
    """The earliest start of each window, and which windows start one element later than that."""
    first = np.arange(out) * (places - 1) // max(out - 1, 1)
    first[-1] = places - 1
    samples = samples.astype(jnp.promote_types(samples.dtype, jnp.float32))[:, None]
    alpha = jnp.asarray((places - 1) / max(out - 1, 1), samples.dtype)
    steps = jnp.arange(out, dtype=samples.dtype)[:, None]
    start = jnp.floor((steps + samples) * alpha) - jnp.floor(samples * alpha)
    last = np.arange(out)[:, None] == out - 1
    return first, (start > first[:, None].astype(samples.dtype)) & ~last


def _rows(x: Array, axis: int, rows: np.ndarray) -> Array:
    """x[rows] on that axis, for rows in ascending order; its transpose is a gather too."""
    size = x.shape[axis]
    ends = np.searchsorted(rows, np.arange(size + 1))
    most = int(np.diff(ends).max())

    def take(_, arrays: Arrays) -> Arrays:
        return [jnp.take(arrays[0], rows, axis, mode='clip')]

    def give_back(_, cotangents: Arrays) -> Arrays:
        (g,) = cotangents
        total = jnp.zeros((), g.dtype)
        for number in range(most):  # the last window may take the same row again
            source = ends[:-1] + number
            shape = [1] * g.ndim
            shape[axis] = size
            taken = (source < ends[1:]).reshape(shape)
            part = jnp.take(g, np.minimum(source, len(rows) - 1), axis, mode='clip')
            total = total + jnp.where(taken, part, jnp.zeros((), g.dtype))
        return [total]

    return linear_map(take, give_back, (), (x,))[0]


def s3_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int] = 2,
    stride: int | Sequence[int] = 2,
    grid: int | Sequence[int] = 4,
    train: bool,
    key: Key[Array, ''] | None = None,
) -> Float[Array, 'batch *out channels']:
    """Maxima at stride 1, then in training random rows and columns of each strip (S3Pool).

    Zhai et al., CVPR 2017, "S3Pool: Pooling with Stochastic Spatial Sampling", section 3. Each axis
    is split into strips of `grid` elements; from each, grid / stride are drawn without replacement
    and kept in order, the same for all examples and channels. A shorter last strip keeps its length
    over the stride, rounded up, so n becomes ceil(n / stride). At test time the mean of each
    `stride` elements replaces the draw.

    Raises ValueError unless `grid` is a multiple of `stride`, and in training without a key.

    >>> x = jnp.arange(8.0).reshape(1, 8, 1)
    >>> s3_pool(x, train=False)[0, :, 0].tolist()
    [1.5, 3.5, 5.5, 7.0]
    >>> y = s3_pool(x, train=True, key=jax.random.key(0))[0, :, 0]
    >>> y.shape, bool((jnp.diff(y) >= 0).all())
    ((4,), True)
    """
    rank = spatial_rank(x)
    strides, grids = per_axis('stride', stride, rank), per_axis('grid', grid, rank)
    for s, g in zip(strides, grids, strict=True):
        if g % s:
            raise ValueError(f'grid must be a multiple of stride; got grid {grid}, stride {stride}')
    if train and key is None:
        raise ValueError('s3_pool needs a random key when train is True; got key=None')
    x = max_pool(x, window=window, stride=1, padding='same')
    if not train:
        short = [(0, -n % s) for n, s in zip(x.shape[1:-1], strides, strict=True)]
        return avg_pool(x, window=strides, padding=short)
    assert key is not None
    for axis, (n, s, g) in enumerate(zip(x.shape[1:-1], strides, grids, strict=True), start=1):
        x = _strips(x, axis, g, _drawn(jax.random.fold_in(key, axis), n, s, g))
        x = lax.slice_in_dim(x, 0, -(-n // s), axis=axis)
    return x


def _drawn(
    key: Key[Array, ''], size: int, stride: int, grid: int
) -> Bool[Array, 'strips {grid} kept']:
    """Whether element j of a strip is the q-th of those that are kept."""
    strips, most = -(-size // grid), grid // stride
    there = (np.arange(strips * grid) < size).reshape(strips, grid)
    keep = -(-there.sum(1) // stride)
    luck = jnp.where(there, jax.random.uniform(key, (strips, grid)), 2)
    before = luck[:, None, :] < luck[:, :, None]
    tied = (luck[:, None, :] == luck[:, :, None]) & np.tri(grid, k=-1, dtype=bool)
    rank = (before | tied).sum(2)  # how many of the strip come before it
    kept = there & (rank < keep[:, None])
    place = jnp.cumsum(kept, 1) - 1
    return (place[:, :, None] == jnp.arange(most)) & kept[:, :, None]


def _strips(x: Array, axis: int, grid: int, drawn: Bool[Array, 'strips grid kept']) -> Array:
    """The drawn elements of each strip, by selection, so that a NaN does not spread."""
    high = [(0, drawn.shape[0] * grid - n if a == axis else 0, 0) for a, n in enumerate(x.shape)]
    high[0] = (0, 0, 0)
    x = split_axis(lax.pad(x, jnp.zeros((), x.dtype), high), axis, grid)
    y = jnp.zeros((), x.dtype)
    for place in range(grid):
        shape = [1] * x.ndim
        shape[axis], shape[axis + 1] = drawn.shape[0], drawn.shape[2]
        here = lax.slice_in_dim(x, place, place + 1, axis=axis + 1)
        y = jnp.where(drawn[:, place].reshape(shape), here, y)
    return merge_axis(y, axis)
