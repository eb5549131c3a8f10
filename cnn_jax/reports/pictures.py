"""Pictures of dense answers: the image, the truth, and what each strategy makes of them."""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cnn_jax.errors import BadInput
from cnn_jax.reports.run import AGAIN, CellResult, Run
from cnn_jax.style import label, plot_style

COLUMNS = 6
"""Strategies of a figure; of more, the baseline and the first ones are shown."""
_IMAGES = 3
_PREFIX = 'picture_'
_GROUND = '#20242a'  # of class 0, most often the background
_NOT_JUDGED = 255
_TRUE, _SAID = '#ffffff', '#ff7f0e'

PICTURES = {
    'segmentation': 'Below each predicted mask, the share of the shifts under which a pixel gets '
    'another class: dark is steady.',
    'detection': 'White dashed boxes are the truth, orange ones predicted.',
    'keypoints': 'White crosses are the truth; orange points are predicted under every shift and '
    'moved back with the image: a steady network shows one point.',
}
"""What the pictures of each task show."""
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Pictures:
    """What each strategy's first completed seed kept: images, truth, answers."""

    task: str
    kept: Mapping[str, Arrays]
    seeds: Mapping[str, int]


def read_pictures(cell: CellResult) -> Arrays | None:
    """The arrays that a finished cell kept for its pictures, or None where it kept none.

    >>> from pathlib import Path
    >>> read_pictures(CellResult('max', 0, Path('no_such_folder'), 'missing', {}, {}, ()))
    """
    path = cell.folder / 'predictions.npz'
    if cell.status != 'completed' or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names = [name for name in arrays.files if name.startswith(_PREFIX)]
            kept = {name.removeprefix(_PREFIX): np.asarray(arrays[name]) for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(f'{path} cannot be read ({error}): {AGAIN}') from error
    return kept if kept and len(kept.get('images', ())) else None


def choose_pictures(run: Run) -> Pictures | None:
    """The pictures of the baseline and the other strategies; None where no cell kept any.

    >>> from pathlib import Path
    >>> choose_pictures(Run(Path(), {}, (), ()))
    """
    order = sorted(run.strategies, key=lambda name: name != run.baseline)
    kept, seeds = {}, {}
    for name in order:
        for cell in run.select(name, 'completed'):
            found = read_pictures(cell)
            if found is not None and len(kept) < COLUMNS:
                kept[name], seeds[name] = found, cell.seed
                break
    return Pictures(run.task, kept, seeds) if kept else None


@plot_style
def plot_pictures(pictures: Pictures) -> Figure:
    """Rows are images; columns are strategies.

    Masks have two rows for each image: the image and the predicted masks, and below the truth and
    the share of shifts under which a pixel's class changes. Boxes and keypoints are drawn on the
    image, white for the truth and orange for what was predicted: keypoints under every shift, moved
    back with the image, so that a steady network shows one point.
    """
    draw = {'segmentation': _masks, 'detection': _boxes, 'keypoints': _points}[pictures.task]
    return draw(pictures)


def _masks(pictures: Pictures) -> Figure:
    first = next(iter(pictures.kept.values()))
    images = min(_IMAGES, len(first['images']))
    figure, grid = _grid(2 * images, 1 + len(pictures.kept), pictures, lead='image and truth')
    most = max(1, *(int(kept['labels'][kept['labels'] != _NOT_JUDGED].max(initial=0))
                    for kept in pictures.kept.values()))  # fmt: skip
    colours = [_GROUND, *(colormaps['tab20'](i % 20) for i in range(most))]
    scale = {'cmap': ListedColormap(colours), 'vmin': 0, 'vmax': most, 'interpolation': 'nearest'}
    for row in range(images):
        _image(grid[2 * row][0], first['images'][row])
        truth = np.ma.masked_equal(first['labels'][row], _NOT_JUDGED)
        grid[2 * row + 1][0].imshow(truth, **scale)
        for column, kept in enumerate(pictures.kept.values(), start=1):
            grid[2 * row][column].imshow(kept['predictions'][row], **scale)
            changed = grid[2 * row + 1][column]
            changed.imshow(kept['changed'][row], cmap='cividis', vmin=0, vmax=1)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 1), 'cividis'),
        ax=list(figure.axes),
        shrink=0.4,
        aspect=22,
        pad=0.02,
    )
    bar.set_label('share of shifts that change the class')
    return figure


def _boxes(pictures: Pictures) -> Figure:
    def draw(axes: Axes, kept: Arrays, row: int) -> None:
        for colour, boxes, line in (
            (_TRUE, kept['labels'][row], '--'),
            (_SAID, kept['predictions'][row], '-'),
        ):
            for top, left, bottom, right, of_class in boxes[:, :5]:
                if of_class >= 0:
                    place = (left - 0.5, top - 0.5), right - left, bottom - top
                    frame = {'edgecolor': colour, 'linestyle': line, 'linewidth': 1.3}
                    axes.add_patch(Rectangle(*place, fill=False, **frame))

    return _on_images(pictures, draw)


def _points(pictures: Pictures) -> Figure:
    def draw(axes: Axes, kept: Arrays, row: int) -> None:
        moved = kept['moved'][row].reshape(-1, 2)
        axes.plot(moved[:, 1], moved[:, 0], '.', color=_SAID, markersize=2.5, alpha=0.6)
        truth = kept['labels'][row]
        axes.plot(truth[:, 1], truth[:, 0], '+', color=_TRUE, markersize=9, markeredgewidth=1.6)

    return _on_images(pictures, draw)


def _on_images(pictures: Pictures, draw: Callable[[Axes, Arrays, int], None]) -> Figure:
    first = next(iter(pictures.kept.values()))
    rows = min(_IMAGES, len(first['images']))
    figure, grid = _grid(rows, len(pictures.kept), pictures)
    for row in range(rows):
        for axes, kept in zip(grid[row], pictures.kept.values(), strict=True):
            _image(axes, kept['images'][row])
            draw(axes, kept, row)
            axes.set_xlim(-0.5, kept['images'].shape[2] - 0.5)
            axes.set_ylim(kept['images'].shape[1] - 0.5, -0.5)
    return figure


def _grid(
    rows: int, columns: int, pictures: Pictures, lead: str = ''
) -> tuple[Figure, list[list[Axes]]]:
    side = min(1.6, 8 / columns)
    figure = Figure(figsize=(columns * side + 0.9, rows * (side + 0.1) + 0.6))
    grid = figure.subplots(rows, columns, squeeze=False).tolist()
    titles = ([lead] if lead else []) + list(pictures.kept)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(label(title, width=int(11.5 * side), lines=3), fontsize=9)
    for axes in figure.axes:
        axes.set_axis_off()
    return figure, grid


def _image(axes: Axes, image: np.ndarray) -> None:
    if image.shape[-1] == 3:
        axes.imshow(image)
    else:
        axes.imshow(image.mean(axis=-1), cmap='gray', vmin=0, vmax=255)
