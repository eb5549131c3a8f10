"""Anti-aliased pooling: low-pass filter, then subsample (Zhang, ICML 2019)."""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.banded import AxisFilter, banded
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.windows import Fill, Padding, check_fill, per_axis, same_padding, spatial_rank

LARGEST_FILTER = 7
Filter = int | Sequence[int | float]  # a binomial filter's size, or weights


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


_WAVELETS = {
    'haar': (1.0, 1.0),
    'db2': None,
    'db3': None,
    'db4': None,
    'bior3.3': (3.0, -9.0, -7.0, 45.0, 45.0, -7.0, -9.0, 3.0),
}
WAVELETS = tuple(_WAVELETS)


def wavelet_filter(wavelet: str) -> tuple[float, ...]:
    """The low-pass analysis filter of an orthogonal or biorthogonal wavelet, divided by its sum.

    'haar', Daubechies' 'db2' to 'db4' (Daubechies 1988, CPAM 41(7), section 4.B: the spectral
    factor with the roots inside the unit circle), and 'bior3.3' of Cohen, Daubechies and Feauveau
    (1992). With the usual norm the filters are sqrt(2) times these.

    >>> wavelet_filter('haar'), [round(w, 6) for w in wavelet_filter('db2')]
    ((0.5, 0.5), [-0.091506, 0.158494, 0.591506, 0.341506])
    """
    if wavelet not in _WAVELETS:
        raise ValueError(f'wavelet must be one of {", ".join(_WAVELETS)}; got {wavelet!r}')
    weights = _WAVELETS[wavelet] or _daubechies(int(wavelet[2:]))
    return tuple(weight / sum(weights) for weight in weights)


def _daubechies(moments: int) -> tuple[float, ...]:
    """(1 + z)^N Q(z) with |Q|^2 = sum_k C(N - 1 + k, k) y^k, y = (2 - z - 1/z) / 4."""
    inside = []
    binomials = [math.comb(moments - 1 + k, k) for k in range(moments)]
    for y in np.roots(binomials[::-1]):
        half = 1 - 2 * y  # (z + 1/z) / 2
        first = half + np.sqrt(half * half - 1 + 0j)
        inside.append(first if abs(first) < 1 else 1 / first)
    row = np.real(np.poly(inside))
    for _ in range(moments):
        row = np.convolve(row, [0.5, 0.5])
    return tuple(row[::-1].tolist())


def blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    filter_size: Filter = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
) -> Float[Array, 'batch *out channels']:
    """Blurs every channel, then takes every `stride`-th element (Zhang 2019, section 3.2).

    `filter_size` is the size of a binomial filter, or the filter itself: its weights along each
    axis, which are divided by their sum, so (1, 2, 1) equals 3. `padding` names the fill of
    the border: 'zero', 'reflect', 'replicate' or 'circular', with (size - 1) // 2 elements before
    and size // 2 after, so each axis of length n becomes ceil(n / stride) for every filter size. A
    constant image stays constant except with 'zero', which darkens its border. Filter size 1 is
    plain subsampling; size 2 at stride 2 equals 2x2 average pooling on even sizes.

    Raises ValueError for a filter size outside 1..7, weights whose sum is zero or not finite, an
    unknown fill, and a circular map smaller than the filter.

    >>> import jax.numpy as jnp
    >>> x = jnp.arange(1.0, 26.0).reshape(1, 5, 5, 1)
    >>> blur_pool(x, filter_size=3)[0, :, :, 0].tolist()
    [[4.0, 5.5, 7.0], [11.5, 13.0, 14.5], [19.0, 20.5, 22.0]]
    >>> blur_pool(x, filter_size=(1, 2, 1))[0, 0, :, 0].tolist()
    [4.0, 5.5, 7.0]
    """
    weights = filter_weights(filter_size)
    rank = spatial_rank(x)
    strides = per_axis('stride', stride, rank)
    check_fill('padding', padding)
    size = x.shape[1:-1]
    if padding == 'circular' and min(size) < len(weights):
        raise ValueError(
            f'circular padding needs a map at least as large as filter_size = {len(weights)}; '
            f'got {size}'
        )
    pad = same_padding(len(weights))
    return banded(
        x,
        tuple(
            AxisFilter(n, weights, s, pad, -(-n // s), padding)
            for n, s in zip(size, strides, strict=True)
        ),
    )


def filter_weights(filter_size: Filter) -> tuple[float, ...]:
    """The binomial filter of the given size, or the given weights divided by their sum.

    >>> filter_weights((1, 3))
    (0.25, 0.75)
    """
    if not isinstance(filter_size, Sequence):
        return binomial_filter(filter_size)
    numbers = all(isinstance(weight, int | float | np.number) for weight in filter_size)
    total = float(sum(filter_size)) if numbers else 0.0
    tiny = 1e-9 * sum(map(abs, filter_size)) if numbers else 0.0
    if not math.isfinite(total) or abs(total) <= tiny:
        raise ValueError(
            f'filter_size must be an int from 1 to {LARGEST_FILTER}, or weights with a finite sum '
            f'other than zero; got {filter_size!r}'
        )
    return tuple(float(weight) / total for weight in filter_size)


def max_blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int] = 2,
    filter_size: Filter = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
    window_padding: Padding = 'valid',
) -> Float[Array, 'batch *out channels']:
    """Max pooling at stride 1, then `blur_pool` (Zhang 2019, section 3.2, "MaxBlurPool").

    The result has the size of a max pool of the same window, stride and `window_padding`, whatever
    the filter size; `padding` fills the border of the blur.

    >>> import jax.numpy as jnp
    >>> x = jnp.array([0.0, 0, 1, 1, 0, 0, 1, 1]).reshape(1, 8, 1)
    >>> max_blur_pool(x, padding='reflect')[0, :, 0].tolist()
    [0.5, 1.0, 0.5, 1.0]
    """
    return blur_pool(
        max_pool(x, window=window, stride=1, padding=window_padding),
        filter_size=filter_size,
        stride=stride,
        padding=padding,
    )


def avg_blur_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int] = 2,
    filter_size: Filter = 3,
    stride: int | Sequence[int] = 2,
    padding: Fill = 'reflect',
    window_padding: Padding = 'valid',
) -> Float[Array, 'batch *out channels']:
    """Average pooling at stride 1, then `blur_pool`: `max_blur_pool` with the mean, not the max.

    Zhang 2019, section 3.2, replaces average pooling by the blur alone (`blur_pool`), since both
    are low-pass filters; this op keeps the averaging window, and so gives the same size as average
    pooling with that window and stride.

    >>> import jax.numpy as jnp
    >>> avg_blur_pool(jnp.arange(8.0).reshape(1, 8, 1))[0, :, 0].tolist()
    [1.0, 2.5, 4.5, 6.0]
    """
    return blur_pool(
        avg_pool(x, window=window, stride=1, padding=window_padding),
        filter_size=filter_size,
        stride=stride,
        padding=padding,
    )
