"""Effective receptive fields: which pixels influence a unit, and how much."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.inspection.activations import check_images, check_map, layer_output


def effective_receptive_field(
    model: nn.Module,
    variables: Mapping,
    images: Float[Array, 'batch height width channels'],
    layer: str,
) -> Float[Array, 'height width']:
    """The mean absolute gradient of a layer's centre unit with respect to each pixel.

    Luo, Li, Urtasun & Zemel, NeurIPS 2016, "Understanding the effective receptive field in deep
    convolutional neural networks". The unit is the sum over the channels at [height // 2,
    width // 2] of the layer's output; the mean is over images and their channels. The images are
    the model's inputs, so normalised. The layers' names are those used by `summarize`, except
    those inside `flax.linen.remat` or `scan`. Raises BadInput for a layer that is not among them or
    whose output is not a map.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, images = ConvNet1(Max(), 10), jax.random.normal(jax.random.key(0), (2, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), images, train=False)
    >>> field = effective_receptive_field(model, variables, images, 'pool1')
    >>> jnp.flatnonzero(field.any(axis=1)).tolist()
    [12, 13, 14, 15, 16, 17]
    """
    check_images(images)
    one = partial(_gradient, model, layer, variables)  # one image at a time, to bound the memory
    total = sum(jnp.abs(one(images[i : i + 1])) for i in range(len(images)))
    return jnp.asarray(total).mean((0, -1)) / len(images)


@partial(jax.jit, static_argnums=(0, 1))
def _gradient(model: nn.Module, layer: str, variables: Mapping, image: Array) -> Array:
    """The centre unit's gradient at the image; compiled once for all weights and images."""

    def centre(image):
        y = layer_output(model, variables, image, layer)
        check_map(layer, y)
        return y[0, y.shape[1] // 2, y.shape[2] // 2].astype(jnp.float32).sum()

    return jax.grad(centre)(image)
