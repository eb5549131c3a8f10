"""How the probability of the true class changes as an image is shifted, one map per strategy."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from cnn_jax.reports.run import Run, ShiftMaps, read_shift_maps
from cnn_jax.style import label, plot_style

COLUMNS = 7
"""Strategies side by side; more continue in another block of rows below."""


@dataclass(frozen=True)
class ShiftPanels:
    """The chosen images, the same for every strategy, and each strategy's map of each image."""

    images: UInt8[np.ndarray, 'images height width channels']
    names: tuple[str, ...]
    maps: dict[str, Float[np.ndarray, 'images shifts shifts']]
    seeds: dict[str, int]


def choose_shift_panels(run: Run) -> ShiftPanels | None:
    """The images on which the baseline (or the first strategy with maps) varies most.

    Takes each strategy's first completed seed with maps of the same images; None where no cell kept
    any. At most 4 images, or 2 where the strategies fill more than one block of rows.

    >>> from pathlib import Path
    >>> choose_shift_panels(Run(Path(), {}, (), ()))
    """
    order = sorted(run.strategies, key=lambda name: name != run.baseline)
    found: dict[str, tuple[int, ShiftMaps]] = {}
    for name in order:
        for cell in run.select(name, 'completed'):
            maps = read_shift_maps(cell)
            if maps is not None and (not found or _same(maps, next(iter(found.values()))[1])):
                found[name] = (cell.seed, maps)
                break
    if not found:
        return None
    reference = next(iter(found.values()))[1]
    spread = np.nan_to_num(reference.maps).std(axis=(1, 2))
    chosen = np.argsort(-spread, kind='stable')[: 4 if len(found) <= COLUMNS else 2]
    shown = [name for name in run.strategies if name in found]
    return ShiftPanels(
        images=reference.images[chosen],
        names=tuple(_class_name(run, int(label)) for label in reference.labels[chosen]),
        maps={name: found[name][1].maps[chosen] for name in shown},
        seeds={name: found[name][0] for name in shown},
    )


def _same(maps: ShiftMaps, reference: ShiftMaps) -> bool:
    return (
        maps.maps.shape == reference.maps.shape
        and np.array_equal(maps.images, reference.images)
        and np.array_equal(maps.labels, reference.labels)
    )


def _class_name(run: Run, label: int) -> str:
    known = 0 <= label < len(run.class_names)
    return run.class_names[label] if known else f'class {label}'


@plot_style
def plot_shift_maps(panels: ShiftPanels) -> Figure:
    """Rows are images, the image itself at the left; columns are strategies; one colour scale.

    Each map's axes are the shift in pixels, dx to the right and dy downwards; the cross marks the
    unshifted image, and colour the probability of the true class, from 0 to 1.

    >>> maps = np.full((1, 3, 3), 0.5, np.float32)
    >>> images = np.zeros((1, 8, 8, 1), np.uint8)
    >>> figure = plot_shift_maps(ShiftPanels(images, ('Coat',), {'max': maps}, {'max': 0}))
    >>> [axes.get_title() for axes in figure.axes]
    ['Coat', 'max', '']
    """
    strategies = list(panels.maps)
    blocks = math.ceil(len(strategies) / COLUMNS)
    columns, rows = min(COLUMNS, len(strategies)), len(panels.images)
    width = 8 if columns > 3 else 1.6 * (columns + 1) + 1.2
    side = (width - 1) / (columns + 1)
    titles = {name: label(name, width=int(11.5 * side), lines=3) for name in strategies}
    extra = 0.13 * max(title.count('\n') for title in titles.values())
    figure = Figure(figsize=(width, 0.5 + blocks * (0.45 + extra + rows * (side + 0.12))))
    grid = figure.subplots(blocks * rows, columns + 1, squeeze=False)
    for line, axes_row in enumerate(grid):
        block, row = divmod(line, rows)
        names = strategies[block * COLUMNS : (block + 1) * COLUMNS]
        _draw_image(axes_row[0], panels.images[row], panels.names[row])
        for column, axes in enumerate(axes_row[1:]):
            if column >= len(names):
                axes.remove()
                continue
            _draw_map(axes, panels.maps[names[column]][row])
            axes.tick_params(labelleft=column == 0, labelbottom=row == rows - 1)
            if row == 0:
                axes.set_title(titles[names[column]], fontsize=9)
            if row == rows - 1:
                axes.set_xlabel('dx (pixels)', fontsize=8.5)
            if column == 0:
                axes.set_ylabel('dy (pixels)', fontsize=8.5)
    scale = ScalarMappable(Normalize(0, 1), 'cividis')
    shrink = min(1, 2.6 / (blocks * rows))
    bar = figure.colorbar(scale, ax=list(figure.axes), shrink=shrink, aspect=22, pad=0.02)
    bar.set_label('probability of the true class')
    return figure


def _draw_image(axes: Axes, image: UInt8[np.ndarray, 'height width channels'], name: str) -> None:
    if image.shape[-1] == 3:
        axes.imshow(image)
    else:
        axes.imshow(image.mean(axis=-1), cmap='gray', vmin=0, vmax=255)
    axes.set_title(label(name, width=14), fontsize=9)
    axes.set_axis_off()


def _draw_map(axes: Axes, values: Float[np.ndarray, 'shifts shifts']) -> None:
    reach = values.shape[0] // 2
    edge = reach + 0.5
    axes.imshow(values, cmap='cividis', vmin=0, vmax=1, extent=(-edge, edge, edge, -edge))
    axes.plot(0, 0, marker='+', color='white', markersize=7, markeredgewidth=2.4)
    axes.plot(0, 0, marker='+', color='black', markersize=6, markeredgewidth=1)
    ticks = sorted({-reach, 0, reach})
    axes.set_xticks(ticks)
    axes.set_yticks(ticks)
    axes.grid(False)
    axes.tick_params(length=2, labelsize=8)
