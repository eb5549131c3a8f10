"""Learnable polyphase sampling, LPS (Rojas-Gomez et al., NeurIPS 2022)."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float, PRNGKeyArray

from cnn_jax.ops.axis import merge_axis, pad_axis, split_axis
from cnn_jax.ops.conv import conv
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.phases import (
    SelectOn,
    blurred,
    check_select_on,
    crop_blocks,
    mix_phases,
    polyphase_components,
    two_strides,
)
from cnn_jax.ops.windows import Fill, require_2d, require_arrays

Mode = Literal['gumbel', 'convex']


def lps_weights(
    logits: Float[Array, 'batch phases'],
    *,
    train: bool,
    mode: Mode = 'gumbel',
    temperature: float | Float[Array, ''] = 1.0,
    key: PRNGKeyArray | None = None,
) -> Float[Array, 'batch phases']:
    """The weight of each component (Rojas-Gomez et al., NeurIPS 2022).

    'gumbel' in training: softmax((logits + Gumbel noise) / temperature), so that the weights are
    nearly one-hot at low temperatures, with P(phase i wins) = softmax(logits)_i; at test time
    one-hot at the largest logit, the first at ties. 'convex': softmax(logits / temperature) in
    both.

    Raises ValueError for an unknown mode, a temperature that is not above 0, and 'gumbel' in
    training without a key.

    >>> lps_weights(jnp.array([[0.0, 2.0, 1.0, 0.0]]), train=False).tolist()
    [[0.0, 1.0, 0.0, 0.0]]
    """
    if mode not in get_args(Mode):
        raise ValueError(f"mode must be 'gumbel' or 'convex'; got {mode!r}")
    if isinstance(temperature, int | float | np.number) and not 0 < temperature < math.inf:
        raise ValueError(f'temperature must be a finite number above 0; got {temperature}')
    scores = at_least_float32(logits)
    if mode == 'gumbel' and not train:
        best = jnp.argmax(scores, 1)[:, None]
        return (jnp.arange(scores.shape[1]) == best).astype(logits.dtype)
    if mode == 'gumbel':
        if key is None:
            raise ValueError("mode='gumbel' draws noise in training: key must be given")
        scores = scores + jax.random.gumbel(key, scores.shape, scores.dtype)
    below = scores - lax.stop_gradient(scores.max(1, keepdims=True))  # keeps quotients finite
    return jax.nn.softmax(below / temperature, axis=1).astype(logits.dtype)


def lps_pool(
    x: Float[Array, 'batch height width channels'],
    weights: Float[Array, 'batch phases'],
    *,
    stride: int | Sequence[int] = 2,
    filter_size: int = 1,
    padding: Fill = 'circular',
) -> Float[Array, 'batch out_height out_width channels']:
    """The components of the blurred map, mixed: y = sum_i weights_i component_i.

    `weights` come from `lps_weights`, in the order of `polyphase_components`. n becomes
    ceil(n / stride); a size that is not a multiple of the stride is zero-padded at its high
    end, after the blur as in the authors' code. With 'circular' padding, weights that permute with
    the components, and both sizes multiples of the stride, rolling the input rolls the output.

    Raises ValueError for a map that is not 2-D, for weights of the wrong shape, and for a filter
    that `aps_pool` would refuse.

    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> lps_pool(x, jnp.array([[0.0, 1, 0, 0]]))[0, :, :, 0].tolist()
    [[1.0, 3.0], [9.0, 11.0]]
    """
    require_2d('lps_pool', x)
    strides = two_strides(stride)
    _check_weights(x, weights, strides)
    x = _filled_and_blurred(x, strides, filter_size, padding)
    return mix_phases(x, split_axis(weights, 1, strides[1])[..., None])


def lps_components(
    x: Float[Array, 'batch height width channels'],
    *,
    stride: int | Sequence[int] = 2,
    filter_size: int = 1,
    padding: Fill = 'circular',
    select_on: SelectOn = 'blurred',
) -> Float[Array, 'batch phases out_height out_width channels']:
    """The components for `lps_logits` to score: those that `lps_pool` mixes, or unblurred ones.

    >>> lps_components(jnp.ones((2, 5, 4, 3)), filter_size=3).shape
    (2, 4, 3, 2, 3)
    """
    require_2d('lps_components', x)
    strides = two_strides(stride)
    check_select_on(select_on)
    blur = filter_size if select_on == 'blurred' else 1
    return polyphase_components(_filled_and_blurred(x, strides, blur, padding), stride=strides)


def lps_logits(
    components: Float[Array, 'batch phases height width channels'],
    kernel: Float[Array, '3 3 channels hidden'],
    bias: Float[Array, ' hidden'],
    mixing: Float[Array, '3 3 hidden features'],
) -> Float[Array, 'batch phases']:
    """mean(conv(relu(conv(component, kernel) + bias), mixing)) over space and features.

    After a binomial filter of 2 or more taps (with circular borders), all components of a map have
    the same mean, since the filter removes the frequency in which they differ. Only the ReLU tells
    them apart: where every hidden unit is on or off over the whole map, as happens on small maps,
    all logits are equal, rounding makes the choice, and shift equivariance is lost, whatever the
    dtype. `select_on='input'` of `lps_components` scores the map before the blur.

    Both convolutions are 3x3 with circular borders. The mean of a circular convolution over space
    is the mean of its input times the sum of its kernel, so the second one is never computed.

    >>> ones = jnp.ones((3, 3, 1, 1))
    >>> lps_logits(jnp.ones((1, 4, 2, 2, 1)), ones, jnp.zeros(1), ones).tolist()
    [[81.0, 81.0, 81.0, 81.0]]
    """
    x = merge_axis(components, 0)
    for axis in (1, 2):
        x = pad_axis(x, axis, 1, 1, 'circular')
    hidden = conv(x, kernel.astype(x.dtype), padding='valid') + bias.astype(x.dtype)
    means = at_least_float32(jax.nn.relu(hidden)).mean((1, 2))
    scores = means @ at_least_float32(mixing).sum((0, 1)).mean(-1).astype(means.dtype)
    return split_axis(scores, 0, components.shape[1]).astype(components.dtype)


def lps_unpool(
    y: Float[Array, 'batch height width channels'],
    weights: Float[Array, 'batch phases'],
    *,
    stride: int | Sequence[int] = 2,
    size: int | Sequence[int] | None = None,
) -> Float[Array, 'batch out_height out_width channels']:
    """Component i of the result is weights_i y: the adjoint of `lps_pool` without a blur.

    `size` is the size of the pooled map (default stride * n); the high end is cropped to it.

    >>> lps_unpool(jnp.ones((1, 1, 1, 1)), jnp.array([[0.0, 0.7, 0.3, 0.0]]))[0, :, :, 0].tolist()
    [[0.0, 0.69...], [0.30..., 0.0]]
    """
    require_2d('lps_unpool', y)
    strides = two_strides(stride)
    _check_weights(y, weights, strides)
    spread = split_axis(weights.astype(y.dtype), 1, strides[1])[:, None, :, None, :, None]
    return crop_blocks(spread * y[:, :, None, :, None], size)


def _filled_and_blurred(
    x: Array, strides: tuple[int, int], filter_size: int, padding: Fill
) -> Array:
    return blurred(blurred(x, filter_size, padding, (1, 1)), 1, 'zero', strides)


def _check_weights(x: Array, weights: Array, strides: tuple[int, int]) -> None:
    require_arrays(weights=weights)
    shape = x.shape[0], strides[0] * strides[1]
    if weights.shape != shape:
        raise ValueError(f'weights must be (batch, phases) = {shape}; got {weights.shape}')
