"""The maps that reach the places where a network downsamples."""

from collections.abc import Mapping
from functools import partial

import jax
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.inspection.activations import check_images
from cnn_jax.layers import Downsample


def downsampling_inputs(
    model: nn.Module, variables: Mapping, images: Float[Array, 'batch height width channels']
) -> dict[str, tuple[Array, int]]:
    """For each layer that calls a strategy and subsamples its map: that map, and the stride.

    The images are the model's inputs, so normalised. Layers whose preceding convolution has done
    all the subsampling, as with 'stride', and global pools are left out.

    >>> import jax.numpy as jnp
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, images = ConvNet1(Max(), 10), jnp.ones((2, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), images, train=False)
    >>> found = downsampling_inputs(model, variables, images)
    >>> {name: (x.shape, stride) for name, (x, stride) in found.items()}
    {'pool1': ((2, 28, 28, 16), 2), 'pool2': ((2, 14, 14, 32), 2)}
    """
    check_images(images)
    sites: dict[str, int] = {}
    jax.eval_shape(partial(_inputs, model, sites), variables, images)
    maps = _compiled_inputs(model, variables, images)
    return {name: (x, sites[name]) for name, x in zip(sites, maps, strict=True)}


def _inputs(
    model: nn.Module, sites: dict[str, int], variables: Mapping, images: Array
) -> list[Array]:
    """The maps; the names and strides of their layers are appended to `sites`."""
    found: dict[str, tuple[int, Array]] = {}

    def note(next_fun, args, kwargs, context):
        result = next_fun(*args, **kwargs)
        layer = context.module
        if isinstance(layer, Downsample) and context.method_name == '__call__':
            x, step = args[0], layer.strategy.stride
            y = result[0] if isinstance(result, tuple) else result
            if x.ndim == 4 and y.shape[1] * step <= x.shape[1] + step and step > 1:
                found['/'.join(layer.path)] = (step, x)
        return result

    with nn.intercept_methods(note):
        model.apply(variables, images, train=False)
    sites |= {name: step for name, (step, _) in found.items()}
    return [x for _, x in found.values()]


@partial(jax.jit, static_argnums=0)
def _compiled_inputs(model: nn.Module, variables: Mapping, images: Array) -> list[Array]:
    return _inputs(model, {}, variables, images)
