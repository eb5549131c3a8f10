"""A site's equation with a blur: the max pool at stride 1 and a blur after it, or a blur before."""

from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.ops.windows import Fill
from cnn_jax.transform.program import bind
from cnn_jax.transform.site import Site, channels_last, operand


def blurred(eqn: Any, given: Sequence, *, site: Site, filter_size: int, fill: Fill) -> list:
    """The results of the site's equation on these inputs, with a blur along its strided axes.

    A max pool is taken at stride 1 and the blur has its stride. Otherwise the blur stands before
    the equation at stride 1; where a convolution reads one element of each strided axis, the blur
    has the stride and the convolution none, which computes the same from fewer elements.
    """
    number = operand(eqn)
    x = jnp.asarray(given[number])

    def blur(x: Array, *, subsample: bool) -> Array:
        stride = [s if subsample else 1 for s in site.stride if s > 1]
        return channels_last(
            x,
            site.strided_axes,
            site.channel_axis,
            lambda y: ops.blur_pool(y, filter_size=filter_size, stride=stride, padding=fill),
        )

    if site.kind == 'max_pool':
        x = channels_last(
            x,
            site.axes,
            site.channel_axis,
            lambda y: ops.max_pool(y, window=site.window, stride=1, padding=site.padding),
        )
        if eqn.primitive.name == 'reduce_window':  # with a start that may be the largest
            x = jnp.maximum(x, given[1])
        return [blur(x, subsample=True)]

    given = list(given)
    axes = zip(site.window, site.stride, site.padding, strict=True)
    points = all(k == 1 and not any(pair) for k, s, pair in axes if s > 1)
    if eqn.primitive.name == 'conv_general_dilated' and points:
        given[number] = blur(x, subsample=True)
        return bind(eqn, given, window_strides=(1,) * len(site.stride))
    given[number] = blur(x, subsample=False)
    return bind(eqn, given)
