"""Learned combinations of max and average pooling (Lee, Gallagher & Tu, AISTATS 2016)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import split_axis
from cnn_jax.ops.floats import at_least_float32, compute_dtype
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.taps import window_taps
from cnn_jax.ops.windows import Fill, Padding, Windows, place_windows, require_arrays


def mixed_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    alpha: float | int | Float[Array, '...'] = 0.5,
) -> Float[Array, 'batch *out channels']:
    """alpha * max + (1 - alpha) * mean of each window (Lee et al. 2016, section 3.1).

    `alpha` is a number from 0 (average pooling) to 1 (max pooling), or an array that broadcasts
    against (*out, channels): () for one share everywhere, (channels,) for one per channel,
    (*out, 1) for one per output position, (*out, channels) for one each. The values of an array are
    not checked; outside [0, 1] this extrapolates. Padding counts as in `max_pool` and `avg_pool`.

    Raises ValueError for a number outside [0, 1] and for an array that does not broadcast.

    >>> x = jnp.array([1.0, 5.0]).reshape(1, 2, 1)
    >>> [float(mixed_pool(x, window=2, alpha=a)[0, 0, 0]) for a in (0, 0.25, 1)]
    [3.0, 3.5, 5.0]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if isinstance(alpha, jax.Array | np.ndarray):
        alpha = _against_output('alpha', alpha, (), windows, x)
    elif (
        isinstance(alpha, bool)
        or not isinstance(alpha, int | float | np.number)
        or not 0 <= alpha <= 1
    ):
        raise ValueError(f'alpha must be a number from 0 to 1 or an array; got {alpha!r}')
    return _mix_max_and_mean(x, alpha, windows, fill, ceil_mode)


def gated_pool(
    x: Float[Array, 'batch *spatial channels'],
    weights: Float[Array, 'taps *shared'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """g * max + (1 - g) * mean of each window, g = sigmoid(weights . window).

    The gated max-average pooling of Lee et al. 2016, section 3.1: the share of the maximum
    depends on the content of the window. `weights` is the gating mask: one weight for each element
    of the window in row-major order, (taps,) for all channels and positions, or (taps, *shared)
    where `shared` broadcasts against (*out, channels), as `alpha` of `mixed_pool` does. Zero
    weights make it `mixed_pool` with alpha = 1/2. Padding adds nothing to the gate unless `fill`
    says what it holds.

    Raises ValueError where the shape of `weights` does not fit.

    >>> x = jnp.array([1.0, 5.0]).reshape(1, 2, 1)
    >>> float(gated_pool(x, jnp.zeros(2), window=2)[0, 0, 0])
    4.0
    >>> round(float(gated_pool(x, jnp.array([-3.0, 1.0]), window=2)[0, 0, 0]), 4)  # sigmoid(2)
    4.7616
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    taps = int(np.prod(windows.window))
    masks = _against_output('weights', weights, (taps,), windows, x)
    values, _ = window_taps(x, windows, fill)
    gate = jax.nn.sigmoid((masks * at_least_float32(values, masks)).sum(0))
    return _mix_max_and_mean(x, gate, windows, fill, ceil_mode)


def tree_pool(
    x: Float[Array, 'batch *spatial channels'],
    filters: Float[Array, 'leaves taps *shared'],
    gates: Float[Array, 'nodes taps *gate_shared'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch *out channels']:
    """A binary tree of linear filters whose nodes mix by gates (Lee et al. 2016, section 3.2).

    Leaf i is f_i = filters[i] . window. An inner node with gating mask w is
    s * left + (1 - s) * right with s = sigmoid(w . window). `filters` holds the leaves from left
    to right, a power of two of them; `gates` the (leaves - 1) inner nodes level by level from the
    root, each level from left to right. Weights follow the elements of the window in row-major
    order; the remaining axes broadcast against (*out, channels), as in `gated_pool`. Neither leaves
    nor gates are normalised or bounded. Padding counts as zeros unless `fill` says what it holds.

    Raises ValueError where the number of leaves is not a power of two or a shape does not fit.

    >>> x = jnp.array([1.0, 5.0]).reshape(1, 2, 1)
    >>> filters, gates = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.zeros((1, 2))
    >>> float(tree_pool(x, filters, gates, window=2)[0, 0, 0])
    3.0
    >>> round(float(tree_pool(x, filters, gates.at[0].set(10.0), window=2)[0, 0, 0]), 4)
    1.0
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    require_arrays(filters=filters, gates=gates)
    taps, leaves = int(np.prod(windows.window)), filters.shape[0]
    if leaves < 1 or leaves & (leaves - 1):
        raise ValueError(f'filters must hold a power of two of leaves; got shape {filters.shape}')
    leaf_masks = _against_output('filters', filters, (leaves, taps), windows, x)
    gate_masks = _against_output('gates', gates, (leaves - 1, taps), windows, x)
    values, _ = window_taps(x, windows, fill)
    values = at_least_float32(values, leaf_masks, gate_masks)
    nodes = (leaf_masks * values).sum(1)
    shares = jax.nn.sigmoid((gate_masks * values).sum(1))
    while len(nodes) > 1:
        pairs = split_axis(nodes, 0, 2)
        left, right = (lax.index_in_dim(pairs, side, 1, keepdims=False) for side in (0, 1))
        share = lax.slice_in_dim(shares, len(left) - 1, 2 * len(left) - 1)
        nodes = share * left + (1 - share) * right
    return jnp.squeeze(nodes, 0).astype(x.dtype)


def _against_output(
    name: str, array: Array, leading: tuple[int, ...], windows: Windows, x: Array
) -> Array:
    """(*leading, *shared) as (*leading, 1, *out or ones, channels or 1), at least float32.

    The 1 after `leading` is for the batch.
    """
    require_arrays(**{name: array} if leading else {})
    split = len(leading)
    target = (*windows.out, x.shape[-1])
    shared = array.shape[split:]
    shared = (1,) * (len(target) - len(shared)) + shared
    fits = len(shared) == len(target) and all(
        a in (1, b) for a, b in zip(shared, target, strict=True)
    )
    if array.shape[:split] != leading or not fits:
        raise ValueError(
            f'{name} must have shape {leading} followed by axes that broadcast against (*out, '
            f'channels) = {target}; got {array.shape}'
        )
    return jnp.asarray(array, compute_dtype(x, array)).reshape(*leading, 1, *shared)


def _mix_max_and_mean(
    x: Array, share: float | int | Array, windows: Windows, fill: Fill | None, ceil_mode: bool
) -> Array:
    window, stride, padding = windows[:3]
    highest, mean = (
        pool(x, window=window, stride=stride, padding=padding, fill=fill, ceil_mode=ceil_mode)
        for pool in (max_pool, avg_pool)
    )
    if isinstance(share, jax.Array):
        highest, mean = at_least_float32(highest, share), at_least_float32(mean, share)
    return (share * highest + (1 - share) * mean).astype(x.dtype)
