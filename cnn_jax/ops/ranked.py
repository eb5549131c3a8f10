"""Means of windows weighted by rank: each element's weight depends on its place in sorted order."""

import math
from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.taps import tap_ranks, window_taps
from cnn_jax.ops.windows import Fill, Padding, Windows, place_windows, require_2d, require_arrays


def ordinal_pool(
    x: Float[Array, 'batch height width channels'],
    weights: Float[Array, 'taps'] | Float[Array, 'taps channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch out_height out_width channels']:
    """sum w_r x_(r) / sum w_r of each window, where x_(0) is its largest element.

    Kumar 2018, "Ordinal Pooling Networks: For Preserving Information over Shrinking Feature Maps";
    Deliege et al., BMVC 2019, "Ordinal Pooling". `weights`: one per rank, largest first, for all
    channels or for each, none negative; in the papers they sum to 1, so that the division changes
    nothing.
    Weights 1, 0, 0, ... give max pooling, equal weights average pooling. A window in which n
    elements count uses the first n weights, whose sum must not be 0. Equal elements rank in
    row-major order.

    Raises ValueError where `weights` has the wrong shape.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> ordinal_pool(x, jnp.array([0.5, 0.25, 0.25, 0.0]), window=2).item()
    2.25
    """
    require_2d('ordinal_pool', x)
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    taps = math.prod(windows.window)
    require_arrays(weights=weights)
    if weights.shape not in ((taps,), (taps, x.shape[-1])):
        raise ValueError(
            f'weights must be one per element of the window, of shape {(taps,)} or '
            f'{(taps, x.shape[-1])}; got {weights.shape}'
        )
    total, gain = _ranked_sums(x, weights, windows, fill)
    return (total / gain).astype(x.dtype)


def rank_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    alpha: int | float = 0.5,
    normalise: bool = False,
) -> Float[Array, 'batch out_height out_width channels']:
    """sum alpha (1 - alpha)^(r - 1) x_(r) of each window, where x_(1) is its largest element.

    Shi, Ye & Wu, Neural Networks 2016, "Rank-based Pooling for Deep Convolutional Neural Networks",
    rank-based weighted pooling (RWP). The weights of n elements sum to 1 - (1 - alpha)^n, so a
    constant map shrinks; `normalise` divides by that sum, which is not in the paper. alpha = 1 is
    max pooling; normalised, alpha to 0 nears average pooling. Equal elements rank in row-major
    order.

    Raises ValueError unless 0 < alpha <= 1.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> rank_pool(x, window=2, alpha=0.5).item()
    2.125
    """
    require_2d('rank_pool', x)
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if not (isinstance(alpha, int | float | np.number) and 0 < alpha <= 1):
        raise ValueError(f'alpha must be a number above 0, up to 1; got {alpha!r}')
    weights = [alpha * (1 - alpha) ** r for r in range(math.prod(windows.window))]
    total, gain = _ranked_sums(x, jnp.asarray(weights), windows, fill)
    return (total / gain if normalise else total).astype(x.dtype)


def rank_average_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    top: int = 2,
) -> Float[Array, 'batch out_height out_width channels']:
    """The mean of the `top` largest elements of each window, or of all where fewer count.

    Shi, Ye & Wu, Neural Networks 2016, rank-based average pooling (RAP); `top` is their threshold
    on the rank. `top` = 1 is max pooling, a whole window average pooling. Equal elements rank in
    row-major order.

    Raises ValueError unless `top` is an int from 1 to the size of the window.

    >>> rank_average_pool(jnp.arange(4.0).reshape(1, 2, 2, 1), window=2).item()
    2.5
    """
    require_2d('rank_average_pool', x)
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    taps = math.prod(windows.window)
    if isinstance(top, bool) or not isinstance(top, int) or not 1 <= top <= taps:
        raise ValueError(f'top must be an int from 1 to {taps}, the window size; got {top!r}')
    total, number = _ranked_sums(x, (jnp.arange(taps) < top).astype(jnp.float32), windows, fill)
    return (total / number).astype(x.dtype)


def _ranked_sums(
    x: Array, weights: Array, windows: Windows, fill: Fill | None
) -> tuple[Array, Array]:
    """sum w_r x_(r), and sum w_r over the elements that count, of each window."""
    values, counts = window_taps(x, windows, fill)
    ranks = tap_ranks(-values, counts)
    values = at_least_float32(values)
    weights = weights.astype(values.dtype).reshape(len(values), 1, *(1,) * (x.ndim - 2), -1)
    chosen = jnp.zeros_like(values)
    for rank, weight in enumerate(weights):
        chosen = jnp.where(ranks == rank, weight, chosen)
    chosen = jnp.where(counts, chosen, 0)
    return (chosen * values).sum(0), chosen.sum(0)
