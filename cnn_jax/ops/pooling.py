"""Max, min, sum, average and Gaussian pooling and subsampling, over any number of axes."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.banded import AxisFilter, banded
from cnn_jax.ops.maximum import max_windows
from cnn_jax.ops.taps import pad_windows
from cnn_jax.ops.windows import (
    Fill,
    Padding,
    Windows,
    place_windows,
)


def max_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The maximum of each window.

    Every axis between the first and the last is spatial: a map without its batch axis is taken for
    a batch of 1-D maps, so under `vmap` give each map a batch axis of size 1.

    Padding never wins, unless `fill` says what it holds ('zero' counts it as zeros). `ceil_mode`
    adds the last, partly covered window, as in torch. At ties the first element in row-major order
    takes the whole gradient (ties are everywhere after a ReLU). `cnn_jax.ops.maximum` explains why
    this does not use `lax.reduce_window`. NaN in, NaN out.

    Raises ValueError where a window does not fit, or unfilled padding is as wide as its window.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> max_pool(x, window=2)[0, :, :, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    x = pad_windows(x, windows, fill, -np.inf)
    return max_windows(x, windows.window, windows.stride)


def min_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The minimum of each window, otherwise like `max_pool`.

    >>> min_pool(jnp.arange(16.0).reshape(1, 4, 4, 1), window=2)[0, :, :, 0].tolist()
    [[0.0, 2.0], [8.0, 10.0]]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    x = pad_windows(x, windows, fill, np.inf)
    return max_windows(x, windows.window, windows.stride, jnp.minimum)


def sum_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The sum of each window; padding counts as zero unless `fill` says what it holds.

    >>> sum_pool(jnp.ones((1, 4, 4, 1)), window=2)[0, :, :, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    rows = [(1.0,) * k for k in windows.window]
    return _filtered(x, windows, fill, rows, renormalise=False)


def avg_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The mean of the elements of each window that count.

    Padding is left out of the mean unless `fill` says what it holds, so a constant image stays
    constant at its borders: `fill=None` is torch's `count_include_pad=False`, `fill='zero'` its
    `count_include_pad=True` (torch's and Flax's default). The overhang of `ceil_mode` never counts.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> avg_pool(x, window=2)[0, :, :, 0].tolist()
    [[2.5, 4.5], [10.5, 12.5]]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    rows = [(1.0 / k,) * k for k in windows.window]
    return _filtered(x, windows, fill, rows, renormalise=True)


def gaussian_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    sigma: int | float = 1.0,
) -> Float[Array, 'batch *out channels']:
    """The mean of each window, weighted by exp(-d^2 / (2 sigma^2)).

    d is the distance in elements from the centre of the window, which for an even window lies
    between elements. As in `avg_pool`, padding is left out unless `fill` says what it holds.
    Goodfellow, Bengio & Courville 2016, "Deep Learning", section 9.3, mention this pooling: a
    weighted average based on the distance from the central pixel.

    Raises ValueError unless sigma > 0, and where the outermost weight would vanish in float64.

    >>> x = jnp.array([0.0, 1.0, 0.0]).reshape(1, 3, 1)
    >>> round(float(gaussian_pool(x, window=3)[0, 0, 0]), 4)  # 1 / (1 + 2 exp(-1/2))
    0.4519
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if not (isinstance(sigma, int | float | np.number) and 0 < sigma < math.inf):
        raise ValueError(f'sigma must be a number above 0, in elements; got {sigma!r}')
    rows = []
    for k in windows.window:
        distance = (np.arange(k) - (k - 1) / 2) ** 2
        least = math.sqrt((distance.max() - distance.min()) / 1400)
        if sigma < least:  # the outermost weight would be zero in float64
            raise ValueError(
                f'sigma must be at least {least:.3g} for a window of {k}; got {sigma!r}'
            )
        row = np.exp((distance.min() - distance) / (2 * sigma**2))
        rows.append(tuple((row / row.sum()).tolist()))
    return _filtered(x, windows, fill, rows, renormalise=True)


def _filtered(
    x: Array,
    windows: Windows,
    fill: Fill | None,
    rows: Sequence[tuple[float, ...]],
    *,
    renormalise: bool,
) -> Array:
    layout = zip(x.shape[1:-1], rows, windows.stride, windows.padding, windows.out, strict=True)
    return banded(x, tuple(AxisFilter(*axis, fill, renormalise) for axis in layout))


def subsample(
    x: Float[Array, 'batch *spatial channels'], *, stride: int | Sequence[int]
) -> Float[Array, 'batch *out channels']:
    """Every `stride`-th element, from the first: no pooling at all. Size ceil(n / stride).

    >>> subsample(jnp.arange(5.0).reshape(1, 5, 1), stride=2)[0, :, 0].tolist()
    [0.0, 2.0, 4.0]
    """
    return sum_pool(x, window=1, stride=stride)
