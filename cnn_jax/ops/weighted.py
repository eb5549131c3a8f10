"""Pooling in which large values count for more: soft, log-mean-exp, generalised mean, sampled."""

import math
from collections.abc import Sequence
from itertools import accumulate

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Key

from cnn_jax.ops.floats import at_least_float32, compute_dtype
from cnn_jax.ops.taps import number_counted, window_taps
from cnn_jax.ops.windows import Fill, Padding, place_windows


def per_channel(
    name: str, value: int | float | np.number | Array, x: Array, *, allow_zero: bool = False
) -> Array:
    """`value`, a positive number or one per channel of `x`, as an array in `wide`'s type.

    Raises ValueError for a wrong shape and, where `value` is a number, for a wrong sign.

    >>> per_channel('p', 3, jnp.ones((1, 4, 2))).shape
    ()
    """
    if isinstance(value, int | float | np.number) and not (
        0 < value < math.inf or (allow_zero and value == 0)
    ):
        least = 'of at least 0' if allow_zero else 'above 0'
        raise ValueError(f'{name} must be a finite number {least}; got {value!r}')
    if np.shape(value) not in ((), x.shape[-1:]):
        raise ValueError(
            f'{name} must be a number or one per channel, of shape {x.shape[-1:]}; '
            f'got shape {np.shape(value)}'
        )
    return jnp.asarray(value, compute_dtype(x))


def exp_weights(
    logits: Float[Array, 'taps batch *out channels'], counts: Bool[Array, '#taps 1 *#out 1']
) -> Float[Array, 'taps batch *out channels']:
    """e^logit over the largest e^logit of its window; 0 where a tap does not count."""
    peak = lax.stop_gradient(jnp.where(counts, logits, -np.inf).max(0))
    return jnp.where(counts, jnp.exp(jnp.where(counts, logits - peak, 0)), 0)


def weighted_mean(values: Array, weights: Array) -> Array:
    """sum w x / sum w along axis 0."""
    return (weights * values).sum(0) / weights.sum(0)


def soft_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    weight_gradient: bool = True,
) -> Float[Array, 'batch *out channels']:
    """sum e^x x / sum e^x of each window and channel (SoftPool).

    Stergiou, Poppe & Kalliatakis, ICCV 2021, "Refining activation downsampling with SoftPool". The
    window's maximum is subtracted in the exponent, so that none overflows. Not monotonic: raising a
    small element can lower the result, and its derivative is then negative. With
    `weight_gradient=False` the weights e^x / sum e^x are held constant in the derivative, which
    then equals these weights, as in the authors' CUDA code.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> round(float(soft_pool(x, window=2)[0, 0, 0, 0]), 4)
    2.4927
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    values, counts = window_taps(x, windows, fill)
    values = at_least_float32(values)
    weights = exp_weights(values, counts)
    weights = weights if weight_gradient else lax.stop_gradient(weights)
    return weighted_mean(values, weights).astype(x.dtype)


def lse_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    r: int | float | Float[Array, ''] | Float[Array, 'channels'] = 1.0,
) -> Float[Array, 'batch *out channels']:
    """(1/r) log mean e^(r x) of each window: from the mean (r to 0) to the maximum (r to infinity).

    Pinheiro & Collobert, CVPR 2015, "From Image-level to Pixel-level Labeling with Convolutional
    Networks", who pool the whole map. `r`, one number or one per channel, may be learned; it must
    stay positive. The window's maximum is taken out of the exponent, so nothing overflows.

    Raises ValueError for a Python number r <= 0 and for an array of another shape.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> [round(float(lse_pool(x, window=2, r=r)[0, 0, 0, 0]), 4) for r in (0.1, 1, 100)]
    [1.5624, 2.0539, 2.9861]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    sharpness = per_channel('r', r, x)
    values, counts = window_taps(x, windows, fill)
    values = at_least_float32(values)
    peak = lax.stop_gradient(jnp.where(counts, values, -np.inf).max(0))
    below = jnp.where(counts, values - peak, 0)
    total = jnp.where(counts, jnp.expm1(sharpness * below), 0).sum(0)
    y = peak + jnp.log1p(total / number_counted(values, counts)) / sharpness
    return y.astype(x.dtype)


def gem_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    p: int | float | Float[Array, ''] | Float[Array, 'channels'] = 3.0,
    eps: float = 1e-6,
) -> Float[Array, 'batch *out channels']:
    """(mean max(x, eps)^p)^(1/p) of each window, the generalised mean (GeM).

    Radenovic, Tolias & Chum, TPAMI 2019, "Fine-tuning CNN Image Retrieval with No Human
    Annotation", who pool the whole map. p = 1 is the mean of the clamped values; p to infinity
    nears the maximum. `p`, one number or one per channel, may be learned; it must stay positive.
    Values below `eps` count as `eps` and get no gradient, so a window of zeros gives `eps`. The
    window's maximum is divided out before the power, so nothing overflows below 8e37 in float32.

    Raises ValueError for a Python number p <= 0, an array of another shape, or eps <= 0.

    >>> x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    >>> [round(float(gem_pool(x, window=2, p=p)[0, 0, 0, 0]), 4) for p in (1, 2, 3)]
    [1.5, 1.8708, 2.0801]
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    power = per_channel('p', p, x)
    if not 0 < eps < math.inf:
        raise ValueError(f'eps must be a finite number above 0; got {eps!r}')
    values, counts = window_taps(x, windows, fill)
    values = jnp.maximum(at_least_float32(values), eps)
    peak = lax.stop_gradient(values.max(0))
    powers = jnp.where(counts, jnp.where(counts, values / peak, 1) ** power, 0)
    mean = powers.sum(0) / number_counted(values, counts)
    return (peak * mean ** (1 / power)).astype(x.dtype)


def stochastic_pool(
    x: Float[Array, 'batch *spatial channels'],
    *,
    window: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: Padding = 'valid',
    fill: Fill | None = None,
    ceil_mode: bool = False,
    train: bool,
    key: Key[Array, ''] | None = None,
) -> Float[Array, 'batch *out channels']:
    """One element of each window, drawn with probability p = x / sum x in training; else sum p x.

    Zeiler & Fergus, ICLR 2013, "Stochastic Pooling for Regularization of Deep Convolutional Neural
    Networks", section 3, defined after a ReLU. Here negative elements count as 0: they are never
    drawn, and a window without a positive element gives 0. Each window and channel draws
    independently, by inverting its cumulative distribution at one uniform number. In training the
    drawn element takes the whole gradient; at test time the gradient is that of sum p x.

    Raises ValueError in training without a key.

    >>> x = jnp.array([1.0, 3.0, 0.0, 0.0]).reshape(1, 4, 1)
    >>> stochastic_pool(x, window=2, train=False)[0, :, 0].tolist()
    [2.5, 0.0]
    >>> drawn = stochastic_pool(x, window=2, train=True, key=jax.random.key(0))[0, :, 0]
    >>> drawn[0].item() in (1.0, 3.0), drawn[1].item()
    (True, 0.0)
    """
    windows = place_windows(x, window, stride, padding, fill, ceil_mode)
    if train and key is None:
        raise ValueError('stochastic_pool needs a random key when train is True; got key=None')
    values, counts = window_taps(x, windows, fill)
    values = at_least_float32(values)
    positive = jax.nn.relu(values)
    peak = lax.stop_gradient(positive.max(0))
    empty = peak == 0
    scale = jnp.where(empty, 1, peak)
    shares = positive / scale  # in [0, 1], so that no sum overflows or underflows
    if key is None or not train:
        total = jnp.where(empty, 1, shares.sum(0))
        return (scale * (shares**2).sum(0) / total).astype(x.dtype)
    ends = jnp.stack(list(accumulate(lax.stop_gradient(shares))))
    starts = jnp.concatenate([jnp.zeros_like(ends[:1]), ends[:-1]])
    drawn = jax.random.uniform(key, peak.shape, peak.dtype) * ends[-1]
    y = jnp.where((starts <= drawn) & (drawn < ends), values, 0).sum(0)
    return jnp.where(jnp.isnan(peak), peak, y).astype(x.dtype)
