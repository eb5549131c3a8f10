"""Plots of receptive fields, equivariance and frequency responses."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from cnn_jax.inspection.response import strategy_response
from cnn_jax.inspection.table import Layer
from cnn_jax.strategies import Strategy
from cnn_jax.style import add_legend, label, plot_style, style_of


@plot_style
def plot_receptive_field(
    values: Float[Array, 'height width'],
    layer: Layer,
    *,
    caption: str = '',
    image: Float[np.ndarray, 'height width channels'] | None = None,
) -> Figure:
    """Plots an `effective_receptive_field` with the theoretical field of the unit.

    Axes are in pixels. The grey around the image is padding; at most half an image beyond the
    border is shown of a field that reaches further. `caption` is the title's last line. An `image`,
    with values from 0 to 1, is drawn in grey under the field.

    >>> import jax.numpy as jnp
    >>> from cnn_jax.inspection import summarize
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> layer = summarize(ConvNet1(Max(), 10), (28, 28, 1)).layers[2]
    >>> plot_receptive_field(jnp.ones((28, 28)), layer).axes[0].get_title()
    'Receptive field of unit (7, 7) of pool1\\ntheoretical 6x6 (dashed), effective in colour'
    """
    height, width = values.shape
    unit = layer.output_shape[0] // 2, layer.output_shape[1] // 2
    rows, columns = (0, height - 1), (0, width - 1)
    size = 'the whole image'
    if layer.field is not None:
        rows, columns = layer.field.of_unit(*unit)
        size = 'x'.join(map(str, layer.field.size))
    figure = Figure(figsize=(6.4, 5.4))
    axes = figure.add_subplot()
    relative = np.asarray(values) / max(float(np.max(values)), np.finfo(np.float32).tiny)
    if image is not None:
        axes.imshow(image.mean(-1), cmap='gray', vmin=0, vmax=1, interpolation='nearest')
    alpha = 1.0 if image is None else 0.65
    axes.imshow(relative, cmap='cividis', vmin=0, vmax=1, interpolation='nearest', alpha=alpha)
    scale = ScalarMappable(Normalize(0, 1), 'cividis')
    bar = figure.colorbar(scale, ax=axes, shrink=0.85, alpha=alpha)
    bar.set_label('mean |gradient| / its maximum')
    _draw_theoretical(axes, rows, columns)
    top, bottom = _shown(rows, height)
    left, right = _shown(columns, width)
    edge = 0.5 + 0.02 * max(bottom - top, right - left)
    axes.set_xlim(left - edge, right + edge)
    axes.set_ylim(bottom + edge, top - edge)
    axes.set_facecolor('#e0e0e0')
    axes.grid(False)
    axes.set_xlabel('column (pixels)')
    axes.set_ylabel('row (pixels)')
    inside = top <= rows[0] <= rows[1] <= bottom and left <= columns[0] <= columns[1] <= right
    frame = 'dashed' if inside else 'larger than shown'
    lines = (
        f'Receptive field of unit {unit} of {label(layer.name, 40)}',
        f'theoretical {size} ({frame}), effective in colour',
        caption,
    )
    axes.set_title('\n'.join(line for line in lines if line))
    return figure


def _shown(field: tuple[int, int], side: int) -> tuple[int, int]:
    """The first and the last pixel of the picture, on an axis of `side` pixels."""
    return max(min(0, field[0]), -side // 2), min(max(side - 1, field[1]), side + side // 2)


def _draw_theoretical(axes: Axes, rows: tuple[int, int], columns: tuple[int, int]) -> None:
    """A rectangle around the pixels, visible on light and on dark."""
    corner = columns[0] - 0.5, rows[0] - 0.5
    size = columns[1] - columns[0] + 1, rows[1] - rows[0] + 1
    axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor='black', linewidth=2.6))
    axes.add_patch(
        Rectangle(corner, *size, fill=False, edgecolor='white', linewidth=1.4, linestyle='--')
    )


@plot_style
def plot_equivariance(
    maps: Mapping[str, Mapping[str, Float[np.ndarray, 'shifts shifts']]],
) -> Figure:
    """The maps of several networks, one row each, on one colour scale; layers from left to right.

    A panel stays empty where a network has no layer of that name.

    >>> maps = {'max': {'pool1': np.eye(3)}, 'max_blur': {'pool1': np.eye(3) / 2}}
    >>> len(plot_equivariance(maps).axes)
    3
    """
    most_first = sorted(maps.values(), key=len, reverse=True)
    names = list(dict.fromkeys(name for layers in most_first for name in layers))
    top = max(1e-6, *(float(np.max(one)) for all_ in maps.values() for one in all_.values()))
    figure = Figure(figsize=(1.0 + 1.25 * len(names), 0.9 + 1.35 * len(maps)))
    grid = figure.subplots(len(maps), len(names), squeeze=False, sharex=True, sharey=True)
    for number, (network, layers) in enumerate(maps.items()):
        row = grid[number]
        for axes, name in zip(row, names, strict=True):
            axes.grid(False)
            axes.set_box_aspect(1)
            said = 'no such layer'
            if name in layers:
                axes.imshow(layers[name], cmap='cividis', vmin=0, vmax=top)
                said = f'mean {np.mean(layers[name]):.2f}'
            axes.set_title(f'{label(name, 14)}\n{said}' if number == 0 else said, fontsize=8.5)
        row[0].set_ylabel(f'{label(network, 16)}\ndown (pixels)', fontsize=9)
    for axes in grid[-1]:
        axes.set_xlabel('right (pixels)', fontsize=8.5)
        axes.xaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    scale = ScalarMappable(Normalize(0, top), 'cividis')
    figure.colorbar(scale, ax=grid, shrink=0.9).set_label(
        'distance / norm of the map less its mean'
    )
    return figure


@plot_style
def plot_responses(strategies: Mapping[str, Strategy]) -> Figure:
    """The gain of each strategy over frequency; everything in the shaded band is aliased.

    >>> from cnn_jax.strategies import Max, MaxBlur
    >>> figure = plot_responses({'max': Max(), 'max_blur': MaxBlur()})
    >>> figure.axes[0].get_xlabel()
    'frequency (cycles a pixel)'
    """
    figure = Figure(figsize=(7.2, 4.0))
    axes = figure.add_subplot()
    handles = []
    strides = {strategy.stride for strategy in strategies.values()}
    for name, strategy in strategies.items():
        frequencies, gains = strategy_response(strategy)
        style = style_of(name)
        drawn = axes.plot(
            frequencies,
            gains,
            color=style.colour,
            linestyle=style.line,
            marker=style.marker,
            markevery=4,
            markersize=5,
        )
        handles += [Line2D([], [], **_line(drawn[0]), label=label(name))]
    limit = 0.5 / max(strides)
    if limit < 0.5:
        axes.axvspan(limit, 0.5, color='#888888', alpha=0.18, linewidth=0)
        axes.text(
            (limit + 0.5) / 2, 1.01, 'aliased', ha='center', transform=axes.get_xaxis_transform()
        )
    axes.set_xlim(0, 0.5)
    axes.set_ylim(bottom=0)
    axes.set_xlabel('frequency (cycles a pixel)')
    axes.set_ylabel('gain (standard deviation out / in)')
    add_legend(figure, handles)
    return figure


def _line(line: Line2D) -> dict:
    return {
        'color': line.get_color(),
        'linestyle': line.get_linestyle(),
        'marker': line.get_marker(),
        'markersize': line.get_markersize(),
    }
