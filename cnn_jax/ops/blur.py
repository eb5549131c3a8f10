"""Anti-aliased pooling: low-pass filter, then subsample (Zhang, ICML 2019)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.axis import filter_axis, pad_axis
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.windows import FILLS, Fill, per_axis, same_padding, spatial_rank

LARGEST_FILTER = 7


def check_filter_size(filter_size: int) -> None:
    """Raises ValueError unless `filter_size` is an int from 1 to 7."""
    if (
        isinstance(filter_size, bool)
        or not isinstance(filter_size, int | np.integer)
        or not 1 <= filter_size <= LARGEST_FILTER
    ):
        raise ValueError(
            f'filter_size must be an int from 1 to {LARGEST_FILTER}; got {filter_size!r}'
        )


def binomial_filter(filter_size: int) -> tuple[float, ...]:
    """The row of Pascal's triangle with `filter_size` entries, divided by its sum.

    Its gain at angular frequency w is cos(w / 2) ** (filter_size - 1): zero at the highest
    frequency for every size above 1.

    >>> binomial_filter(3)
    (0.25, 0.5, 0.25)
    """
    check_filter_size(filter_size)
    row = np.ones(1)
    for _ in range(filter_size - 1):
        row = np.convolve(row, [0.5, 0.5])
    return tuple(row.tolist())


def blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    filter_size: int = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *out channels']:
    """Binomial blur of every channel, then every `stride`-th element (Zhang 2019, section 3.2).

    `padding` names the fill of the border: 'zero', 'reflect', 'replicate' or 'circular', with
    (filter_size - 1) // 2 elements before and filter_size // 2 after, so each axis of length n
    becomes ceil(n / stride) for every filter size. A constant image stays constant except with
    'zero', which darkens its border. Filter size 1 is plain subsampling; 2 equals 2x2 average
    pooling on even sizes. One axis at a time: 2 * filter_size products instead of its square.

    Raises ValueError for a filter size outside 1..7 and for an unknown fill.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(1.0, 26.0).reshape(1, 5, 5, 1)
    >>> blur_pool(x, filter_size=3)[0, :, :, 0].tolist()
    [[4.0, 5.5, 7.0], [11.5, 13.0, 14.5], [19.0, 20.5, 22.0]]
    """
    rank = spatial_rank(x)
    strides = per_axis('stride', stride, rank)
    weights = binomial_filter(filter_size)
    if padding not in FILLS:
        raise ValueError(f'padding must be one of {", ".join(FILLS)}; got {padding!r}')
    if 0 in x.shape[1:-1]:
        raise ValueError(f'x has no elements to blur: shape {x.shape}')
    low, high = same_padding(filter_size)
    for axis in range(1, rank + 1):
        if padding == 'circular' and x.shape[axis] < filter_size:
            raise ValueError(
                f'circular padding needs a map at least as large as filter_size = '
                f'{filter_size}; got {x.shape[1:-1]}'
            )
        x = pad_axis(x, axis, low, high, padding)
        x = filter_axis(x, axis, weights, strides[axis - 1])
    return x


def max_blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int] = 2,
    filter_size: int = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *out channels']:
    """Max pooling at stride 1, then `blur_pool` (Zhang 2019, section 3.2, "MaxBlurPool").

    The result has the size of a max pool of the same window and stride, whatever the filter size.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([0.0, 0, 1, 1, 0, 0, 1, 1]).reshape(1, 8, 1)
    >>> max_blur_pool(x, padding='reflect')[0, :, 0].tolist()
    [0.5, 1.0, 0.5, 1.0]
    """
    return blur_pool(
        max_pool(x, window=window, stride=1),
        filter_size=filter_size,
        stride=stride,
        padding=padding,
    )
