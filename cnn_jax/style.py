"""The style of the plots: colours that the colour-blind can distinguish, and never colour alone."""

import io
import math
import re
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib import rc_context, style
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.typing import ColorType, LineStyleType

_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#B14B8E', '#B07A00', '#3A9AD0', '#7A7A7A')
_LINES: tuple[LineStyleType, ...] = ('-', '--', '-.', ':')
_CHOSEN = {  # the strategies that most often share a figure differ in colour
    **{'max': 0, 'avg': 1, 'stride': 2, 'max_blur': 3, 'max_blur3': 3, 'max_blur5': 4, 'blur': 5},
    **{'aps': 6, 'lps': 8, 'gem': 10, 'soft': 12, 'lip': 11, 'spectral': 9, 'flc': 13},
    # By the hash of their names these would look like another.
    **{'lp': 15, 'median': 17, 'wavelet': 18, 'fractional_max': 20},
}
_MARKERS = ('o', 's', '^', 'D', 'v', 'P', 'X', '<', '>', 'h', '*')

# For everything but data; pages replace these by their own, which follow the light or dark theme.
_TEXT, _SOFT, _FAINT = '#1b1f24', '#57606b', '#dfe3e9'
_OF_THE_PAGE = {_TEXT: 'var(--text)', _SOFT: 'var(--soft)', _FAINT: 'var(--line)'}
_SETTINGS = {
    'axes.edgecolor': _SOFT,
    'axes.labelcolor': _TEXT,
    'axes.grid': True,
    'axes.labelsize': 10,
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.titlesize': 10.5,
    'figure.constrained_layout.use': True,
    'figure.facecolor': 'white',
    'font.size': 10,
    'pdf.fonttype': 42,  # TrueType, which journals require
    'grid.color': _FAINT,
    'legend.fontsize': 9.5,
    'legend.frameon': False,
    'svg.fonttype': 'none',  # text stays text: it can be searched, and read aloud
    'savefig.dpi': 160,
    'savefig.facecolor': 'white',
    'text.color': _TEXT,
    'xtick.color': _SOFT,
    'xtick.labelcolor': _TEXT,
    'xtick.labelsize': 9,
    'ytick.color': _SOFT,
    'ytick.labelcolor': _TEXT,
    'ytick.labelsize': 9,
}

WIDTH = 5.2  # inches of a figure that fits on a phone's screen
plot_style = style.context(['default', _SETTINGS])
"""Decorates a function that draws: one look for all plots, whatever the caller's own settings."""


@dataclass(frozen=True)
class StrategyStyle:
    """How one strategy is drawn in every plot."""

    colour: ColorType
    line: LineStyleType
    marker: str


def style_of(name: str) -> StrategyStyle:
    """The style of the strategy of that name, the same in every figure and page.

    The most commonly compared strategies have fixed colours; others are styled by a hash of the
    name, so two of them look alike in about one of three hundred cases.

    >>> style_of('max')
    StrategyStyle(colour='#0072B2', line='-', marker='o')
    >>> style_of('mine') == style_of('mine'), style_of('mine') == style_of('other')
    (True, False)
    """
    known = _CHOSEN.get(name)
    index = zlib.crc32(name.encode()) if known is None else known
    return StrategyStyle(
        colour=_COLOURS[index % len(_COLOURS)],
        line=_LINES[index % len(_LINES)],
        marker=_MARKERS[index % len(_MARKERS)],
    )


def label(name: str, width: int = 32, lines: int = 1) -> str:
    """A name for plots: cut at `width` characters per line, broken after underscores.

    A `$` is shown literally instead of starting mathematics.

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


@plot_style
def svg(figure: Figure, name: str) -> str:
    """The figure as an <svg> element without background, in the colours of the surrounding page.

    `name` distinguishes its parts from those of other figures on the page.

    >>> svg(Figure(figsize=(1, 1)), 'empty').startswith('<svg')
    True
    """
    buffer = io.StringIO()
    with rc_context({'svg.hashsalt': name}):
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    text = buffer.getvalue()
    text = text[text.index('<svg') :].strip()
    text = re.sub(r'<metadata>.*?</metadata>| xmlns(:\w+)?="[^"]*"', '', text, flags=re.S)
    for colour, of_the_page in _OF_THE_PAGE.items():
        text = text.replace(colour, of_the_page)
    ids = set(re.findall(r' id="([^"]+)"', text))
    pattern = re.compile(
        r'(id="|#)(' + '|'.join(map(re.escape, sorted(ids, key=len)[::-1])) + r')(?=["\)])'
    )
    return pattern.sub(lambda found: f'{found[1]}{name}-{found[2]}', text) if ids else text
