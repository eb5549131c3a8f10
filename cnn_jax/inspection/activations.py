"""The outputs of the layers of a network."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.errors import ScopeParamShapeError
from jax.core import Tracer
from jaxtyping import Array, Float

from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.inspection.calls import Recorder

Interceptor = Callable[..., Any]  # of flax.linen.intercept_methods


class _Reached(Exception):
    """Ends a forward pass at the requested layer."""


def layer_outputs(
    model: nn.Module, variables: Mapping, images: Float[Array, 'batch height width channels']
) -> dict[str, Array]:
    """The output of every layer, under the names used by `summarize`, in order.

    The images are the model's inputs, so normalised (`Classifier.normalise`). Raises BadInput for
    images that are not such floats and, outside of jit, where an output is not finite: the message
    names the first such layer.

    >>> import jax
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model, images = ConvNet1(Max(), 10), jnp.zeros((2, 28, 28, 1))
    >>> outputs = layer_outputs(model, model.init(jax.random.key(0), images, train=False), images)
    >>> outputs['pool1'].shape, list(outputs)[-1]
    ((2, 14, 14, 16), 'dense')
    """
    check_images(images)
    names: list[str] = []
    jax.eval_shape(partial(_outputs, model, names), variables, images)
    values = _compiled_outputs(model, variables, images)
    for name, value in zip(names, values, strict=True):
        _check_finite(name, value)
    return dict(zip(names, values, strict=True))


def _outputs(model: nn.Module, names: list[str], variables: Mapping, images: Array) -> list[Array]:
    """The outputs of all layers; their names are appended to `names`."""
    recorder = Recorder()
    _apply(model, variables, images, recorder)
    outputs = [output for call in recorder.calls for output in call.outputs]
    names[:] = [output.name for output in outputs]
    return [output.value for output in outputs]


@partial(jax.jit, static_argnums=0)
def _compiled_outputs(model: nn.Module, variables: Mapping, images: Array) -> list[Array]:
    return _outputs(model, [], variables, images)


def layer_output(
    model: nn.Module,
    variables: Mapping,
    images: Float[Array, 'batch height width channels'],
    layer: str,
) -> Array:
    """The output of one layer; later layers are not computed.

    So the images may have any size that the layers up to there accept. Raises BadInput with the
    names of the layers if there is none of that name.

    >>> import jax
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model = ConvNet1(Max(), 10)
    >>> variables = model.init(jax.random.key(0), jnp.zeros((1, 28, 28, 1)), train=False)
    >>> layer_output(model, variables, jnp.zeros((1, 40, 36, 1)), 'conv2').shape
    (1, 20, 18, 32)
    """
    check_images(images)
    return _compiled_output(model, layer, variables, images)


@partial(jax.jit, static_argnums=(0, 1))
def _compiled_output(model: nn.Module, layer: str, variables: Mapping, images: Array) -> Array:
    recorder, found = Recorder(), []

    def until_layer(next_fun, args, kwargs, context):
        before = len(recorder.calls)
        result = recorder(next_fun, args, kwargs, context)
        for call in recorder.calls[before:]:
            found.extend(output.value for output in call.outputs if output.name == layer)
        if found:
            raise _Reached
        return result

    misfit = None
    try:
        _apply(model, variables, images, until_layer)
    except _Reached:
        return found[0]
    except BadInput as error:
        misfit = error
    names = [output.name for call in recorder.calls for output in call.outputs]
    weights = jax.tree_util.tree_leaves_with_path(variables.get('params', {}))
    names += ['/'.join(str(key.key) for key in path[:-1]) for path, _ in weights]
    if misfit and layer in names:
        raise misfit
    raise unknown_name('layer', layer, list(dict.fromkeys(names)))


def _apply(model: nn.Module, variables: Mapping, images: Array, interceptor: Interceptor) -> None:
    try:
        with nn.intercept_methods(interceptor):
            model.apply(variables, images, train=False)
    except ScopeParamShapeError as error:
        size = 'x'.join(map(str, images.shape[1:]))
        raise BadInput(
            f'images of {size} do not fit these weights ({str(error).split(". (")[0]}): scale them '
            f'to the size that the network was trained on, with cnn_jax.data.resize.fit_image.'
        ) from None


def check_images(images: Array) -> None:
    """Raises BadInput unless these are float images with finite values."""
    require(
        images.ndim == 4 and len(images) > 0 and jnp.issubdtype(images.dtype, jnp.floating),
        f'images must be floats (batch, height, width, channels), normalised as the model expects; '
        f'got {images.dtype} {images.shape}.',
    )
    _check_finite('the images', images)


def check_map(layer: str, values: Array) -> None:
    """Raises BadInput unless the output of the layer is a map."""
    require(
        values.ndim == 4,
        f'layer {layer} gives no map, but {values.shape[1:]}: choose a layer before it.',
    )


def _check_finite(name: str, values: Array) -> None:
    if isinstance(values, Tracer):
        return
    bad = ~np.isfinite(np.asarray(values, np.float32))
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise BadInput(
            f'{name}: {int(bad.sum())} of {bad.size} values are not finite, the first at {first}; '
            f'what was computed before is finite.'
        )
