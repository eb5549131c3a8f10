"""How far each layer is from shift equivariance."""

from collections.abc import Mapping
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.errors import require
from cnn_jax.inspection.activations import check_images, layer_outputs
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.inspection.summary import summarize
from cnn_jax.ops.shifts import fourier_shift


def equivariance_maps(
    model: nn.Module,
    variables: Mapping,
    images: Float[Array, 'batch height width channels'],
    *,
    max_shift: int,
) -> dict[str, Float[np.ndarray, 'shifts shifts']]:
    """For each layer and shift: how much shift-then-layer differs from layer-then-shift.

    Zhang, ICML 2019, section 4.2 ("internal feature distance"), with two changes: the distance is
    Euclidean, divided by the norm of the layer's output minus its mean over the map; and shifts
    need not be multiples of the stride, since the output is shifted exactly, by the shift divided
    by the layer's stride. 0: the layer is equivariant; 1: the distance is that of a flat map.
    Rows and columns are shifts down and right by 0 to `max_shift` pixels, with a circular border.
    Averaged over the images. Layers without a map, or whose map is one pixel or flat, are compared
    unshifted: they should not change. Raises BadInput for images that are not floats, and for
    values that are not finite.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, images = ConvNet1(Max(), 10), jax.random.normal(jax.random.key(0), (2, 28, 28, 1))
    >>> variables = model.init(jax.random.key(0), images, train=False)
    >>> maps = equivariance_maps(model, variables, images, max_shift=1)
    >>> maps['pool1'].shape, bool(maps['pool1'][0, 0] < 1e-6 < maps['pool1'][0, 1])
    ((2, 2), True)
    """
    check_images(images)
    require(
        0 <= max_shift < min(images.shape[1:3]),
        f'max_shift must be from 0 to {min(images.shape[1:3]) - 1} pixels; got {max_shift}.',
    )
    outputs = layer_outputs(model, variables, images)
    names, still = list(outputs), list(outputs.values())
    _, height, width, channels = images.shape
    layers = {one.name: one for one in summarize(model, (height, width, channels)).layers}
    strides = tuple(_stride(layers[name].field, y, images) for name, y in outputs.items())
    reach = range(max_shift + 1)
    found = np.array(
        [
            [_distances(model, strides, variables, images, still, jnp.array([i, j])) for j in reach]
            for i in reach
        ]
    )
    return {name: found[:, :, n] for n, name in enumerate(names)}


def _stride(field: ReceptiveField | None, output: Array, images: Array) -> tuple[float, ...]:
    """Image pixels per output pixel; () if the output is not to be shifted.

    A field that wraps around a circular border is unknown: then the stride follows from the sizes.
    """
    if output.ndim != 4 or output.shape[1:3] == (1, 1):
        return ()
    if field is not None:
        return tuple(float(s) for s in field.stride)
    return tuple(n / size for n, size in zip(images.shape[1:3], output.shape[1:3], strict=True))


@partial(jax.jit, static_argnums=(0, 1))
def _distances(
    model: nn.Module,
    strides: tuple[tuple[float, ...], ...],
    variables: Mapping,
    images: Array,
    still: list[Array],
    shift: Array,
) -> Array:
    """Each layer's distance for images shifted by (down, right) pixels; the mean over images."""
    moved = layer_outputs(model, variables, jnp.roll(images, shift, (1, 2))).values()
    distances = []
    for before, after, stride in zip(still, moved, strides, strict=True):
        expected, axes = before.astype(jnp.float32), tuple(range(1, before.ndim))
        flat = jnp.zeros(())
        if stride:
            expected = fourier_shift(expected, shift[0] / stride[0], shift[1] / stride[1])
            flat = expected.mean((1, 2), keepdims=True)
        apart = jnp.sqrt(((after.astype(jnp.float32) - expected) ** 2).sum(axes))
        whole = jnp.sqrt((expected**2).sum(axes))
        scale = jnp.sqrt(((expected - flat) ** 2).sum(axes))
        scale = jnp.where(scale > 1e-3 * whole, scale, whole)
        distances.append((apart / jnp.maximum(scale, 1e-12)).mean())
    return jnp.stack(distances)
