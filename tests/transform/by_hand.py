"""What `antialias` should make, written with this package's ops at the sites themselves."""

import jax
import jax.numpy as jnp
from jax import lax

from cnn_jax import ops

LAYOUTS = {'NHWC': ('NHWC', 'HWIO', 'NHWC'), 'NCHW': ('NCHW', 'OIHW', 'NCHW')}


def draw(*shape, dtype='float32', seed=0):
    return jax.random.normal(jax.random.key(seed), shape).astype(dtype)


def on_spatial(layout, values, other):
    """One value for each axis of a layout: those given for space, another elsewhere."""
    values = iter(values)
    return tuple(other if letter in 'NC' else next(values) for letter in layout)


def pool(x, window, stride, padding, layout='NHWC'):
    """The max pool that people write, with lax."""
    if not isinstance(padding, str):
        padding = on_spatial(layout, padding, (0, 0))
    window, stride = (on_spatial(layout, values, 1) for values in (window, stride))
    return lax.reduce_window(x, -jnp.inf, lax.max, window, stride, padding)


def pairs_of(size, window, stride, padding):
    if not isinstance(padding, str):
        return tuple(padding)
    return tuple((int(a), int(b)) for a, b in lax.padtype_to_pads(size, window, stride, padding))


def last(x, layout):
    return jnp.moveaxis(x, layout.index('C'), -1)


def back(x, layout):
    return jnp.moveaxis(x, -1, layout.index('C'))


def blurred_pool(x, window, stride, padding, layout='NHWC', filter_size=3, fill='reflect'):
    x = last(x, layout)
    pairs = pairs_of(x.shape[1:-1], window, stride, padding)
    x = ops.max_pool(x, window=window, stride=1, padding=pairs)
    y = ops.blur_pool(x, filter_size=filter_size, stride=stride, padding=fill)
    return back(y, layout)


def conv(x, kernel, stride, padding, layout='NHWC', **options):
    numbers = LAYOUTS[layout]
    return lax.conv_general_dilated(
        x, kernel, stride, padding, dimension_numbers=numbers, **options
    )


def blurred_conv(
    x, kernel, stride, padding, layout='NHWC', filter_size=3, fill='reflect', **options
):
    x = ops.blur_pool(last(x, layout), filter_size=filter_size, stride=1, padding=fill)
    return conv(back(x, layout), kernel, stride, padding, layout, **options)
