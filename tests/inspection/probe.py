"""Which pixels reach which units, found by sending one line of an image through a network.

With positive weights, no biases and norms that do nothing, a unit is above zero where the line of
ones in an image of zeros reaches it, and zero everywhere else: nothing cancels.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from cnn_jax.inspection.calls import Recorder
from cnn_jax.models import variable_shapes


def reached(
    model: nn.Module, shape: tuple[int, int, int], axis: int, lines: Sequence[int]
) -> dict[str, np.ndarray]:
    """For each layer with a map, (lines, units): whether a line reaches the units of the axis."""
    images = np.zeros((len(lines), *shape), np.float32)
    for image, line in zip(np.moveaxis(images, 1 + axis, 1), lines, strict=True):
        image[line] = 1
    variables = jax.tree_util.tree_map_with_path(_positive, variable_shapes(model, shape))

    @jax.jit
    def seen(images, variables):
        recorder = Recorder()
        with nn.intercept_methods(recorder):
            model.apply(variables, images, train=False)
        outputs = [output for call in recorder.calls for output in call.outputs]
        return {
            output.name: (output.value > 0).any((2 - axis, 3))
            for output in outputs
            if output.value.ndim == 4
        }

    return {name: np.asarray(value) for name, value in seen(images, variables).items()}


def _positive(path: tuple, leaf: jax.ShapeDtypeStruct) -> jax.Array:
    """Means of a kernel's window, no bias, a norm of mean 0 and variance 1."""
    name = path[-1].key
    if name == 'kernel':
        return jnp.full(leaf.shape, 1 / np.prod(leaf.shape[:-1]), leaf.dtype)
    return jnp.full(leaf.shape, name in ('scale', 'var'), leaf.dtype)
