"""Filters, maps and images as pictures."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from cnn_jax.errors import require
from cnn_jax.style import label, plot_style

_COLUMNS = 8  # of a grid
_MOST = 64  # panels


@plot_style
def plot_filters(
    kernel: Float[Array | np.ndarray, 'height width channels features'], *, title: str = ''
) -> Figure:
    """A layer's filters, one panel each (the first 64), averaged over the channels if there are
    more than three. One colour scale for all: blue is negative, white zero, red positive.

    >>> len(plot_filters(np.ones((3, 3, 1, 16))).axes)
    17
    """
    kernel = np.asarray(kernel, np.float32)
    require(
        kernel.ndim == 4, f'kernel must be (height, width, channels, features); got {kernel.shape}.'
    )
    shown = kernel.mean(2)[..., :_MOST]
    largest = max(float(abs(shown).max()), 1e-12)
    titles = [str(number) for number in range(shown.shape[-1])]
    what = 'weight' if kernel.shape[2] == 1 else f'mean weight over {kernel.shape[2]} channels'
    return _grid(
        list(np.moveaxis(shown, -1, 0)), titles, title, what, 'RdBu_r', (-largest, largest)
    )


@plot_style
def plot_maps(
    values: Float[Array | np.ndarray, 'height width channels'], *, title: str = ''
) -> Figure:
    """A layer's maps for one image, one panel per channel (the first 64), on one scale.

    >>> len(plot_maps(np.ones((7, 7, 4))).axes)
    5
    """
    values = np.asarray(values, np.float32)
    require(
        values.ndim == 3,
        f'values must be (height, width, channels) of one image, as maps[0]; got {values.shape}.',
    )
    shown = values[..., :_MOST]
    limits = float(shown.min()), max(float(shown.max()), float(shown.min()) + 1e-12)
    titles = [str(number) for number in range(shown.shape[-1])]
    return _grid(list(np.moveaxis(shown, -1, 0)), titles, title, 'activation', 'cividis', limits)


@plot_style
def plot_heat(
    image: Float[Array | np.ndarray, 'height width channels'],
    heat: Float[Array | np.ndarray, 'map_height map_width'],
    *,
    title: str = '',
    what: str = 'activation',
) -> Figure:
    """An image from 0 to 1, and beside it the same in grey, overlaid with the map.

    >>> len(plot_heat(np.ones((28, 28, 1)), np.ones((7, 7))).axes)
    3
    """
    image, heat = np.asarray(image, np.float32), np.asarray(heat, np.float32)
    height, width = image.shape[:2]
    figure = Figure(figsize=(6.6, 3.2))
    left, right = figure.subplots(1, 2)
    show_image(left, image)
    right.imshow(image.mean(-1), cmap='gray', vmin=0, vmax=1)
    shown = right.imshow(
        heat, cmap='inferno', alpha=0.6, extent=(-0.5, width - 0.5, height - 0.5, -0.5)
    )
    for axes, text in ((left, 'image'), (right, title)):
        axes.grid(False)
        axes.set_title(text)
        axes.set_xlabel('column (pixels)')
    left.set_ylabel('row (pixels)')
    figure.colorbar(shown, ax=right, shrink=0.85).set_label(what)
    return figure


@plot_style
def plot_images(
    images: Mapping[str, Float[Array | np.ndarray, 'height width channels']], *, title: str = ''
) -> Figure:
    """Images from 0 to 1, one panel each, under their names.

    >>> len(plot_images({'a': np.ones((4, 4, 1)), 'b': np.ones((4, 4, 3))}).axes)
    2
    """
    require(len(images) > 0, 'images must hold at least one.')
    columns = min(5, len(images))
    rows = math.ceil(len(images) / columns)
    figure = Figure(figsize=(1.7 * columns + 0.2, 1.95 * rows + 0.3))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.axis('off')
    for axes, (name, image) in zip(panels, images.items(), strict=False):
        show_image(axes, np.asarray(image, np.float32))
        axes.set_title(label(name, 22), fontsize=9)
    if title:
        figure.suptitle(title, fontsize=10.5)
    return figure


def show_image(axes: Axes, image: Float[np.ndarray, 'height width channels']) -> None:
    """Shows an image from 0 to 1: in grey, or in colour if it has three channels."""
    image = np.clip(image, 0, 1)
    colour = image.shape[-1] == 3
    axes.imshow(image if colour else image.mean(-1), cmap='gray', vmin=0, vmax=1)
    axes.grid(False)


def _grid(
    panels: Sequence[np.ndarray],
    titles: Sequence[str],
    title: str,
    what: str,
    colours: str,
    limits: tuple[float, float],
) -> Figure:
    columns = min(_COLUMNS, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(max(3.2, 0.9 * columns + 1.2), 1.05 * rows + 0.5))
    grid = figure.subplots(rows, columns, squeeze=False)
    scale = ScalarMappable(Normalize(*limits), colours)
    for axes in grid.flat:
        axes.axis('off')
    for axes, panel, name in zip(grid.flat, panels, titles, strict=False):
        axes.imshow(panel, cmap=colours, norm=scale.norm)
        axes.set_title(name, fontsize=8, pad=2)
    figure.colorbar(scale, ax=grid, shrink=0.9).set_label(what)
    if title:
        figure.suptitle(title, fontsize=10.5)
    return figure
