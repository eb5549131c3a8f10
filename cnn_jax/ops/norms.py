"""Norms and medians of windows, over any number of spatial axes."""

import math
from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.compiled import computed_once
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.taps import number_counted, tap_ranks, window_taps
from cnn_jax.ops.windows import Fill, Padding, place_windows


def lp_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    p: int | float = 2.0,
    form: Literal['mean', 'sum'] = 'mean',
) -> Float[Array, 'batch *out channels']:
    """(mean |x|^p)^(1/p) of each window, or (sum |x|^p)^(1/p) with form='sum'.

    Sermanet, Chintala & LeCun 2012, "Convolutional Neural Networks Applied to House Numbers Digit
    Classification", section 2.2. p = 1 is the mean of absolute values; p to infinity nears their
    maximum. torch's lp_pool is the sum form, and keeps signs where p is odd. The window's largest
    value is divided out before the power, so nothing overflows below 8e37 in float32; where all
    elements are zero, so is the gradient.

    Raises ValueError unless p is finite and above 0, and for an unknown form.

    >>> x = jnp.array([3.0, 4.0]).reshape(1, 2, 1)
    >>> [round(float(lp_pool(x, window=2, form=f)[0, 0, 0]), 4) for f in ('mean', 'sum')]
    [3.5355, 5.0]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if not (isinstance(p, int | float | np.number) and 0 < p < math.inf):
        raise ValueError(f'p must be a number above 0; got {p!r}')
    if form not in ('mean', 'sum'):
        raise ValueError(f"form must be 'mean' or 'sum'; got {form!r}")
    values, counts = window_taps(x, windows, fill)
    sizes = jnp.abs(at_least_float32(values))
    largest = lax.stop_gradient(sizes.max(0))
    zero = largest == 0
    scale = jnp.where(zero, 1, largest)
    total = jnp.sum(jnp.where(sizes == 0, 0, jnp.where(sizes == 0, 1, sizes / scale) ** p), 0)
    if form == 'mean':
        total = total / number_counted(values, counts)
    y = scale * jnp.where(zero, 1, total) ** (1 / p)
    return jnp.where(zero, 0, y).astype(x.dtype)


def median_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """The median of each window; for an even number of elements, the mean of the middle two.

    The middle elements take the gradient (ties rank in row-major order). This is NumPy's
    convention; torch.median takes the lower of the middle two. NaN in, NaN out.

    >>> x = jnp.array([1.0, 9.0, 2.0, 4.0]).reshape(1, 4, 1)
    >>> float(median_pool(x, window=3, stride=1)[0, 0, 0]), float(median_pool(x, window=4)[0, 0, 0])
    (2.0, 3.0)
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    values, counts = window_taps(x, windows, fill)
    number = number_counted(values, counts).astype(jnp.int32)
    ranks = computed_once(tap_ranks(values, counts))  # if fused, both sums below rank again
    lower = jnp.where(ranks == (number - 1) // 2, values, 0).sum(0)
    upper = jnp.where(ranks == number // 2, values, 0).sum(0)
    y = lower / 2 + upper / 2
    return jnp.where(jnp.isnan(values).any(0), jnp.asarray(np.nan, x.dtype), y)
