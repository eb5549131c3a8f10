"""Benchmark rows as a table: on the terminal, and in Markdown for the docs."""

from collections.abc import Sequence

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


def markdown(rows: Sequence[dict]) -> str:
    """All rows as a Markdown table."""
    lines = ['| ' + ' | '.join(COLUMNS) + ' |', '|---' * len(COLUMNS) + '|']
    return '\n'.join(lines + ['| ' + ' | '.join(cells(row)) + ' |' for row in rows]) + '\n'


def print_rows(rows: Sequence[dict]) -> None:
    """Prints all rows."""
    table = Table(*COLUMNS)
    for row in rows:
        table.add_row(*cells(row))
    Console(width=160).print(table)
