"""A model's layers as data, and as a self-explanatory table."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from cnn_jax.inspection.fields import ReceptiveField, Window

HOW_TO_READ = (
    'Receptive field: the pixels that one unit can depend on, padding included; its stride is how '
    'far the\nfields of neighbouring units lie apart, its centre the middle of the first '
    "unit's, in pixels from the\nmiddle of the first pixel. Statistics of a norm and the choice of "
    'a polyphase component do not count.\nFLOPs, multiply-adds and memory (of the output) are for '
    'one image forward; a multiply-add is two FLOPs.\nConvolutions count their padding; '
    'activations and the additions of branches are left out. The size of a\nstrategy is that of '
    'all that it reads (a 3x3 window and a 3x3 filter: 5x5).'
)
_COLUMNS = ('layer', 'kind', 'output', 'parameters', 'multiply-adds', 'FLOPs', 'memory (bytes)')
_FIELD_COLUMNS = ('receptive field', 'stride', 'centre')


@dataclass(frozen=True)
class Layer:
    """One output of one layer, for one image.

    Attributes:
        name: The path of its module, followed by '/main' or '/shortcut' for a layer with two
            branches, and by ' (2)' for a module's second call.
        kind: The class of the module, or of the strategy used there.
        window: What an output reads of the preceding map; None if that is not a window.
        output_shape: Without the batch.
        parameters: Trainable numbers, counted at a module's first call.
        multiply_adds: Of a convolution or a dense layer, otherwise 0.
        flops: Floating-point operations; a multiply-add is two.
        memory_bytes: Of the output, in the dtype that the model computes in.
        field: The receptive field; None for the whole image.
    """

    name: str
    kind: str
    window: Window | None
    output_shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    flops: int
    memory_bytes: int
    field: ReceptiveField | None


@dataclass(frozen=True)
class Summary:
    """A model's layers, in the order of their calls, and totals for one image.

    `print` and notebooks show it as a table.

    Attributes:
        model: Its class and strategy.
        image_shape: (height, width, channels).
        layers: One for each output of a layer.
        parameters: All trainable numbers.
        multiply_adds: The sum over the layers.
        flops: The sum over the layers, called `flops_per_example` in files and reports. As in the
            tables of papers and of other libraries, convolutions count their padding; activations,
            the additions of branches and other arithmetic between layers do not count.
        memory_bytes: The sum over the outputs of the layers.
        parameter_bytes: Of all trainable numbers.
    """

    model: str
    image_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    parameters: int
    multiply_adds: int
    flops: int
    memory_bytes: int
    parameter_bytes: int

    def __str__(self) -> str:
        return table_text(self)

    def _repr_markdown_(self) -> str:
        return table_text(self)


def table_text(summary: Summary) -> str:
    """The table in Markdown, in ASCII, with a heading, the totals and how to read it."""
    table = Table(box=box.MARKDOWN)
    for number, name in enumerate((*_COLUMNS, *_FIELD_COLUMNS)):
        table.add_column(name, justify='left' if number < 2 else 'right', no_wrap=True)
    for layer in summary.layers:
        table.add_row(*_cells(layer))
    table.add_row(
        'total',
        '',
        '',
        f'{summary.parameters:,}',
        f'{summary.multiply_adds:,}',
        f'{summary.flops:,}',
        f'{summary.memory_bytes:,}',
    )
    console = Console(file=io.StringIO(), width=1000, color_system=None)
    with console.capture() as captured:
        console.print(table, markup=False)
    lines = [line for line in captured.get().splitlines() if line.strip()]
    heading = f'{summary.model}, images {_by(summary.image_shape)}'
    memory = f'The parameters take {summary.parameter_bytes:,} bytes.'
    return '\n'.join([heading, '', *lines, '', memory, HOW_TO_READ])


def summary_dict(summary: Summary) -> dict[str, Any]:
    """The summary as JSON values; a `receptive_field` of null is the whole image."""
    return {
        'model': summary.model,
        'image_shape': list(summary.image_shape),
        'parameters': summary.parameters,
        'parameter_bytes': summary.parameter_bytes,
        'flops_per_example': summary.flops,
        'multiply_adds': summary.multiply_adds,
        'memory_bytes': summary.memory_bytes,
        'layers': [
            {
                'name': layer.name,
                'kind': _kind(layer),
                'output_shape': list(layer.output_shape),
                'parameters': layer.parameters,
                'multiply_adds': layer.multiply_adds,
                'flops': layer.flops,
                'memory_bytes': layer.memory_bytes,
                'receptive_field': _field_dict(layer.field),
            }
            for layer in summary.layers
        ],
    }


def _field_dict(field: ReceptiveField | None) -> dict[str, list] | None:
    if field is None:
        return None
    return {'size': [*field.size], 'stride': [*field.stride], 'centre': [*field.centre]}


def _cells(layer: Layer) -> tuple[str, ...]:
    field = layer.field
    numbers = (layer.parameters, layer.multiply_adds, layer.flops, layer.memory_bytes)
    return (
        layer.name,
        _kind(layer),
        _by(layer.output_shape),
        *(f'{number:,}' for number in numbers),
        'whole image' if field is None else _by(field.size),
        '' if field is None else _one(field.stride),
        '' if field is None else _one(field.centre),
    )


def _kind(layer: Layer) -> str:
    """The kind with its window and stride, if it has a window: 'Conv 7x7 /2'."""
    window = layer.window
    moves = window and (layer.kind == 'Conv' or {*window.size, *window.stride} != {1})
    if not window or not moves:
        return layer.kind
    stride = '' if set(window.stride) == {1} else f' /{_one(window.stride)}'
    return f'{layer.kind} {_by(window.size)}{stride}'


def _by(values: Sequence[int | float]) -> str:
    """
    >>> _by((7, 7, 64))
    '7x7x64'
    """
    return 'x'.join(f'{value:,g}' if isinstance(value, float) else f'{value}' for value in values)


def _one(values: Sequence[int | float]) -> str:
    """
    >>> _one((2, 2)), _one((0.5, 2.0))
    ('2', '0.5x2')
    """
    return _by(values[:1] if len(set(values)) == 1 else values)
