"""Tables in a terminal of any width: a number is never cut."""

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

_NAME = 6  # columns to which a name may be folded


def fitting(table: Table, width: int) -> RenderableType:
    """The table if its numbers fit the width; otherwise its rows, with one line per number.

    Columns with `no_wrap` hold numbers; others hold names, which may be folded. Cells and headings
    are text without markup. Raises nothing: a line that is still too long is folded.

    >>> table = Table()
    >>> table.add_column('strategy')
    >>> table.add_column('images/s', no_wrap=True)
    >>> table.add_row('max', '2,038')
    >>> fitting(table, 80) is table
    True
    >>> print(*fitting(table, 12).renderables, sep='/')
    max/  images/s: 2,038
    """
    columns = [[_text(cell) for cell in column.cells] for column in table.columns]
    heads = [_text(column.header) for column in table.columns]
    needed = 0
    for column, head, cells in zip(table.columns, heads, columns, strict=True):
        longest = max(cell_len(text.plain) for text in (head, *cells))
        needed += longest if column.no_wrap else min(longest, _NAME)
    rules = len(columns) + 1 if table.box else 0
    _, right, _, left = table.padding
    if needed + len(columns) * (right + left) + rules <= width:
        return table
    lines = [_text(table.title)] if table.title else []
    for name, *figures in zip(*columns, strict=True):
        lines.append(name)
        lines += [
            Text(f'  {head.plain}: ', overflow='fold').append_text(figure)
            for head, figure in zip(heads[1:], figures, strict=True)
        ]
    lines += [_text(table.caption)] if table.caption else []
    return Group(*lines)


def _text(cell: object) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(str(cell), overflow='fold')
