"""Summarises a model by tracing it; computes nothing."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnn_jax.inspection.calls import Call, Recorder
from cnn_jax.inspection.counts import multiply_adds, output_flops
from cnn_jax.inspection.equations import Field, read_fields
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.inspection.table import Layer, Summary
from cnn_jax.models import count_parameters, variable_shapes


def summarize(model: nn.Module, image_shape: tuple[int, int, int]) -> Summary:
    """The layers of a model, called as model(images, train=False), for images of a given shape.

    Traces one forward pass with shapes alone, so it takes only seconds even for the largest
    networks. Raises BadInput, naming the layer and the smallest square image that fits, if the
    images do not fit.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> summary = summarize(ConvNet1(Max(), 10), (28, 28, 1))
    >>> summary.parameters, [layer.name for layer in summary.layers][:3]
    (29034, ['conv1', 'norm1', 'pool1'])
    >>> summary.layers[2].field
    ReceptiveField(size=(6, 6), stride=(2, 2), start=(-2, -2))
    """
    variables = variable_shapes(model, image_shape)
    calls, fields = _trace(model, variables, image_shape)
    layers = tuple(layer for call in calls for layer in _layers(call, fields))
    weights = jax.tree.leaves(variables['params'])
    return Summary(
        model=', '.join([type(model).__name__, *_choices(model)]),
        image_shape=image_shape,
        layers=layers,
        parameters=count_parameters(variables),
        multiply_adds=sum(layer.multiply_adds for layer in layers),
        flops=sum(layer.flops for layer in layers),
        memory_bytes=sum(layer.memory_bytes for layer in layers),
        parameter_bytes=sum(weight.size * weight.dtype.itemsize for weight in weights),
    )


def _choices(model: nn.Module) -> list[str]:
    """The strategy and other options of a network of this project."""
    fields = vars(model)
    forms = [name for name in ('small_images', 'downsample_first') if fields.get(name)]
    return [*(str(fields[name]) for name in ('downsample',) if name in fields), *forms]


def _trace(
    model: nn.Module, variables: dict, image_shape: tuple[int, int, int]
) -> tuple[list[Call], dict[str, Field]]:
    """The calls of a forward pass, and the receptive field of every named array."""
    recorder = Recorder()

    def forward(images, variables):
        with nn.intercept_methods(recorder):
            return model.apply(variables, images, train=False)

    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    traced = jax.make_jaxpr(forward)(images, variables).jaxpr
    rules = {
        output.mark: (output.source, output.window)
        for call in recorder.calls
        for output in call.outputs
        if output.known
    }
    fields: dict[str, Field] = {}
    read_fields(traced, {traced.invars[0]: ReceptiveField()}, rules, fields)
    return recorder.calls, fields


def _layers(call: Call, fields: dict[str, Field]) -> list[Layer]:
    layers = []
    for number, (output, flops) in enumerate(zip(call.outputs, output_flops(call), strict=True)):
        shape, first = output.value.shape[1:], number == 0
        layers.append(
            Layer(
                name=output.name,
                kind=output.kind,
                window=output.window,
                output_shape=shape,
                parameters=call.own_parameters if first else 0,
                multiply_adds=multiply_adds(call),
                flops=flops,
                memory_bytes=math.prod(shape) * output.value.dtype.itemsize,
                field=fields.get(output.mark),
            )
        )
    return layers
