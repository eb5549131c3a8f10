"""Benchmark rows as a table: on the terminal, and in Markdown for the docs."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

COLUMNS = (
    'case',
    'direction',
    'allocator',
    'ours, ms',
    'floor, ms',
    'Flax, ms',
    'best peer, ms',
    'best peer',
    'ours / peer',
    'ours / Flax',
)


def cells(row: dict) -> list[str]:
    """A row's figures as they are shown."""

    def number(key: str, digits: int = 2) -> str:
        return '' if row[key] is None else f'{row[key]:.{digits}f}'

    return [
        row['case'],
        row['direction'],
        row['allocator'],
        number('ours_ms'),
        number('floor_ms'),
        number('flax_ms'),
        number('torch_best_ms'),
        row['torch_best'] or '',
        number('ratio_to_torch'),
        number('ratio_to_flax', 3),
    ]


def as_markdown(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table of cells.

    >>> as_markdown(('a', 'b'), [['1', '2']]).splitlines()
    ['| a | b |', '|---|---|', '| 1 | 2 |']
    """
    names = list(head)
    lines = [f'| {" | ".join(cells)} |' for cells in (names, *rows)]
    return '\n'.join([lines[0], '|---' * len(names) + '|', *lines[1:]]) + '\n'


def markdown(rows: Sequence[dict]) -> str:
    """All rows as a Markdown table."""
    return as_markdown(COLUMNS, map(cells, rows))


def print_rows(rows: Sequence[dict]) -> None:
    """Prints all rows."""
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*cells(row))
    Console(width=160).print(table)
