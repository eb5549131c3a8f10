"""How the plots look: colours that the colour-blind tell apart, and never colour alone."""

import io
import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType, LineStyleType

_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
_LINES: tuple[LineStyleType, ...] = ('-', '--', '-.', ':')
_MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '<', '>', 'h', '*')

_SETTINGS = {
    'axes.edgecolor': '#666666',
    'axes.grid': True,
    'axes.labelsize': 10,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.titlesize': 10.5,
    'figure.constrained_layout.use': True,
    'figure.facecolor': 'white',
    'font.size': 10,
    'pdf.fonttype': 42,  # TrueType, which journals ask for
    'grid.color': '#e4e4e4',
    'legend.fontsize': 9.5,
    'legend.frameon': False,
    'savefig.dpi': 160,
    'savefig.facecolor': 'white',
    'xtick.labelsize': 9,
    'ytick.labelsize': 9,
}

plot_style = style.context(['default', _SETTINGS])
"""Decorates a function that draws: one look for all plots, whatever the caller's own settings."""


@dataclass(frozen=True)
class Look:
    """How one strategy is drawn in every plot."""

    colour: ColorType
    line: LineStyleType
    marker: str


def look(index: int) -> Look:
    """The look of the strategy with this index; the first 308 differ in at least one of the three.

    >>> look(0)
    Look(colour='#0072B2', line='-', marker='o')
    >>> len({look(index) for index in range(28)})
    28
    """
    return Look(
        colour=_COLOURS[index % len(_COLOURS)],
        line=_LINES[index % len(_LINES)],
        marker=_MARKERS[index % len(_MARKERS)],
    )


def label(name: str, width: int = 32, lines: int = 1) -> str:
    """A name as plots show it: cut at `width` characters a line, broken after underscores.

    A `$` is shown as it is, rather than read as the start of mathematics.

    >>> label('max_blur_reflect_3', width=9, lines=3).splitlines()
    ['max_blur_', 'reflect_3']
    >>> label('a_very_long_name', width=6)
    'a_ver…'
    """
    rows = ['']
    for part in re.findall('[^_]*_|[^_]+', ' '.join(name.split())):
        for piece in textwrap.wrap(part, width) if lines > 1 else [part]:
            if rows[-1] and len(rows[-1]) + len(piece) > width and lines > 1:
                rows.append(piece)
            else:
                rows[-1] += piece
    cut = len(rows) > lines
    rows = [*rows[: lines - 1], rows[lines - 1] + '…' * cut] if cut else rows
    rows = [row if len(row) <= width else row[: width - 1] + '…' for row in rows]
    return '\n'.join(rows).replace('$', r'\$')


def add_legend(figure: Figure, handles: Sequence[Line2D]) -> None:
    """A legend below the axes, in as many columns as the names leave room for; taller to fit it.

    >>> figure = Figure(figsize=(8, 4))
    >>> add_legend(figure, [Line2D([], [], label='max')])
    >>> [text.get_text() for text in figure.legends[0].get_texts()]
    ['max']
    """
    if not handles:
        return
    width, height = figure.get_size_inches()
    longest = max(len(str(handle.get_label())) for handle in handles)
    columns = min(5, len(handles), max(1, int(width / (0.7 + 0.09 * longest))))
    figure.set_size_inches(width, height + 0.2 * math.ceil(len(handles) / columns))
    figure.legend(handles=handles, loc='outside lower center', ncols=columns)


@plot_style
def png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG file, on white.

    >>> png(Figure(figsize=(1, 1)))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', facecolor='white', metadata={'Software': None})
    return buffer.getvalue()
