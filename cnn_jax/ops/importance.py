"""Means of windows weighted by importance: learned logits, detail, similarity to the mean."""

from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.conv import conv
from cnn_jax.ops.floats import at_least_float32, compute_dtype
from cnn_jax.ops.taps import number_counted, window_taps
from cnn_jax.ops.weighted import (
    exp_weights,
    per_channel,
    weighted_mean,
)
from cnn_jax.ops.windows import Fill, Padding, per_axis, place_windows, require_2d, require_arrays

Likeness = Literal['vector', 'channel']
LARGEST_LOGIT = 12.0
_INSTANCE_NORM_EPS = 1e-5
_DETAIL_EPS = 1e-3
_LARGE, _TINY = 1e9, 1e-21  # the largest plain difference, and _DETAIL_EPS over its square


def lip_pool(
    x: Float[Array, 'batch height width channels'],
    logits: Float[Array, 'batch height width #channels'],
    *,
    window: int | Sequence[int] = 3,
    stride: int | Sequence[int] | None = 2,
    padding: Padding = 'same',
    fill: Fill | None = None,
    ceil_mode: bool = False,
) -> Float[Array, 'batch out_height out_width channels']:
    """avg(x e^l) / avg(e^l) of each window with logits l (local importance-based pooling, LIP).

    Gao, Wang & Wu, ICCV 2019, "LIP: Local Importance-based Pooling". `logits` has the shape of `x`,
    or one channel for all. l = x is `soft_pool`, constant l average pooling. Padding does not count
    unless `fill` says what it holds; the fill then applies to both arrays ('zero': x = 0, l = 0).
    The largest logit of each window is subtracted, so no exponential overflows; the sums overflow
    where values come near 3e38 over the size of the window.

    Raises ValueError where the shapes do not fit.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> round(float(lip_pool(x, x, window=2)[0, 0, 0, 0]), 4)
    2.4927
    """
    require_2d('lip_pool', x)
    require_arrays(logits=logits)
    if logits.shape[:-1] != x.shape[:-1] or logits.shape[-1] not in (1, x.shape[-1]):
        raise ValueError(
            f'logits must have the shape of x, {x.shape}, or one channel; got {logits.shape}'
        )
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    values, counts = window_taps(x, windows, fill)
    log_weights, _ = window_taps(logits, windows, fill)
    return weighted_mean(
        at_least_float32(values), exp_weights(at_least_float32(log_weights), counts)
    ).astype(x.dtype)


def lip_logits(
    x: Float[Array, 'batch height width channels'],
    kernel: Float[Array, 'kernel_height kernel_width channels channels'],
    scale: Float[Array, 'channels'],
    bias: Float[Array, 'channels'],
) -> Float[Array, 'batch height width channels']:
    """12 sigmoid(instance norm(conv(x))): the logits in [0, 12] of the simplest LIP.

    Gao, Wang & Wu, ICCV 2019. The norm subtracts the mean and divides by sqrt(variance + 1e-5) of
    each image and channel, then applies `scale` and `bias`. With `kernel` at zero all logits of a
    channel are equal, so `lip_pool` starts as average pooling. Computed in float32 (float64 if x
    is), where the norm's squares do not overflow for convolution outputs up to 1e18.

    Raises ValueError for arrays of the wrong shape.

    >>> logits = lip_logits(jnp.ones((1, 2, 2, 1)), jnp.zeros((3, 3, 1, 1)), *jnp.ones((2, 1)) - 1)
    >>> logits.ravel().tolist()
    [6.0, 6.0, 6.0, 6.0]
    """
    require_2d('lip_logits', x)
    require_arrays(kernel=kernel, scale=scale, bias=bias)
    channels = x.shape[-1]
    if kernel.ndim != 4 or kernel.shape[2:] != (channels, channels):
        raise ValueError(
            f'kernel must be (height, width, {channels}, {channels}); got {kernel.shape}'
        )
    for name, array in (('scale', scale), ('bias', bias)):
        if array.shape != (channels,):
            raise ValueError(f'{name} must be one per channel, ({channels},); got {array.shape}')
    z = at_least_float32(conv(x, kernel.astype(x.dtype)))
    centred = z - z.mean((1, 2), keepdims=True)
    spread = jnp.sqrt((centred**2).mean((1, 2), keepdims=True) + _INSTANCE_NORM_EPS)
    scale, bias = at_least_float32(scale, x), at_least_float32(bias, x)
    return LARGEST_LOGIT * jax.nn.sigmoid(centred / spread * scale + bias)


def detail_preserving_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    stride: int | Sequence[int] = 2,
    power: int | float | Float[Array, ''] | Float[Array, 'channels'] = 1.0,
    bias: int | float | Float[Array, ''] | Float[Array, 'channels'] = 1.0,
    symmetric: bool = True,
    kernel: Float[Array, 'kernel_height kernel_width channels'] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """A mean weighted by how much each element differs from its surroundings (DPP).

    Saeedan, Weber, Goesele & Roth, CVPR 2018, "Detail-Preserving Pooling in Deep Networks". Windows
    are `stride` wide and do not overlap. With d = x - s, where s is the window's mean ('lite') or,
    with a `kernel`, the depthwise correlation of x with it at the window ('full'):

        q = d^2 + 1e-3, or max(d, 0)^2 + 1e-3 unless `symmetric`
        w = (q / mean of q in the window)^(power / 2) + bias
        y = sum w x / sum w

    `power` and `bias` are the paper's lambda and alpha, at least 0, one number or one per channel.
    Power 0 is average pooling. Size ceil(n / stride): the last window of an odd axis holds only the
    elements that exist. The full form pads with zeros, centred on each window's first element.
    Differences above 1e9 are divided out of q, so in float32 values up to 1e36 do not overflow, nor
    do gradients at values up to 1e26 (1e17 for powers below 1).

    Raises ValueError for a negative power or bias and for shapes that do not fit.

    >>> x = jnp.array([0.0, 0.0, 0.0, 1.0]).reshape(1, 2, 2, 1)
    >>> for symmetric in (True, False):
    ...     y = detail_preserving_pool(x, power=2, bias=0, symmetric=symmetric)
    ...     print(round(float(y[0, 0, 0, 0]), 4))
    0.7473
    0.9947
    """
    require_2d('detail_preserving_pool', x)
    strides = per_axis('stride', stride, 2)
    exponent = per_channel('power', power, x, allow_zero=True) / 2
    offset = per_channel('bias', bias, x, allow_zero=True)
    pairs = tuple((0, -n % s) for n, s in zip(x.shape[1:3], strides, strict=True))
    values, counts = window_taps(x, place_windows(x, strides, strides, pairs), None)
    values, number = at_least_float32(values), number_counted(values, counts)
    surroundings = (
        values.sum(0) / number
        if kernel is None
        else _depthwise(at_least_float32(x), kernel, strides)
    )
    difference = values - surroundings
    if not symmetric:
        difference = jnp.maximum(difference, 0)
    largest = lax.stop_gradient(jnp.where(counts, jnp.abs(difference), 0).max(0))
    large = largest > _LARGE
    inverse = jnp.where(large, 1 / largest, 1)  # 1, so that ordinary values are bit-identical
    floor = jnp.where(large, _TINY, _DETAIL_EPS)
    detail = jnp.where(counts, (difference * inverse) ** 2 + floor, 0)
    relative = jnp.where(counts, detail / (detail.sum(0) / number), 1)
    weights = jnp.where(counts, relative**exponent + offset, 0)
    return weighted_mean(values, weights).astype(x.dtype)


def _depthwise(x: Array, kernel: Array, strides: tuple[int, ...]) -> Array:
    """Each channel correlated with its own kernel, zero-padded and centred: ceil(n / stride)."""
    require_arrays(kernel=kernel)
    if kernel.ndim != 3 or kernel.shape[2] != x.shape[-1]:
        raise ValueError(
            f'kernel must be (height, width, {x.shape[-1]}), one filter per channel; '
            f'got {kernel.shape}'
        )
    shape = kernel.shape
    values, _ = window_taps(x, place_windows(x, shape[:2], strides, 'same', 'zero'), 'zero')
    return (values * kernel.astype(x.dtype).reshape(-1, 1, 1, 1, shape[2])).sum(0)


def ada_pool(
    x: Float[Array, 'batch height width channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    beta: int | float | Float[Array, ''] | Float[Array, 'out_height out_width'] = 0.5,
    likeness: Likeness = 'vector',
) -> Float[Array, 'batch out_height out_width channels']:
    """beta * eDSCW + (1 - beta) * EM, a mean of two weighted means (adaPool).

    Stergiou & Poppe, TIP 2022, "AdaPool: Exponential Adaptive Pooling for Information-Retaining
    Downsampling". EM is `soft_pool`. eDSCW weighs the elements by e^s, where s in [0, 1] is the
    Dice-Sorensen coefficient of an element's channel vector v and the window's mean vector m:

        s = 2 |v . m| / (v . v + m . m),

    the same for all channels. With likeness='channel' v and m are scalars, separately for each
    channel, as in the authors' code. `beta`, in [0, 1], is one number or one per output location. s
    is 0 where both vectors are below the rounding error of the window's largest value.

    Raises ValueError for a Python number outside [0, 1], an array of the wrong shape and an unknown
    likeness.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> [round(float(ada_pool(x, window=2, beta=b)[0, 0, 0, 0]), 4) for b in (0, 0.5, 1)]
    [2.4927, 2.1092, 1.7257]
    """
    require_2d('ada_pool', x)
    if likeness not in get_args(Likeness):
        raise ValueError(f"likeness must be 'vector' or 'channel'; got {likeness!r}")
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if isinstance(beta, int | float | np.number) and not 0 <= beta <= 1:
        raise ValueError(f'beta must be from 0 to 1; got {beta!r}')
    elif not isinstance(beta, int | float | np.number | np.ndarray | jax.Array):
        raise ValueError(f'beta must be a number from 0 to 1 or an array; got {beta!r}')
    share = jnp.asarray(beta, compute_dtype(x))
    if share.shape not in ((), windows.out):
        raise ValueError(
            f'beta must be a number or one per output location, of shape {windows.out}; '
            f'got shape {share.shape}'
        )
    values, counts = window_taps(x, windows, fill)
    values = at_least_float32(values)
    mean = values.sum(0) / number_counted(values, counts)
    by_likeness = weighted_mean(values, exp_weights(_likeness(values, mean, likeness), counts))
    by_size = weighted_mean(values, exp_weights(values, counts))
    share = share[..., None]
    return (share * by_likeness + (1 - share) * by_size).astype(x.dtype)


def _likeness(values: Array, mean: Array, kind: Likeness) -> Array:
    """2 |v . m| / (v . v + m . m), over channels or in each; values are first scaled to 1."""
    across = kind == 'vector'
    largest = lax.stop_gradient(jnp.abs(values).max((0, -1) if across else 0, keepdims=True))
    largest = jnp.where(largest == 0, 1, largest)
    v, m = values / largest, mean / largest
    if across:
        dot = jnp.abs((v * m).sum(-1, keepdims=True))
        squares = (v**2).sum(-1, keepdims=True) + (m**2).sum(-1, keepdims=True)
    else:
        dot, squares = jnp.abs(v * m), v**2 + m**2
    vanish = squares <= jnp.finfo(values.dtype).eps ** 2
    return jnp.where(vanish, 0, 2 * dot / jnp.where(vanish, 1, squares))
