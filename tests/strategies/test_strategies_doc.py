"""The tables of docs/strategies.md: families, and where each strategy differs from its paper."""

import re
from pathlib import Path

from cnn_jax.strategies import strategy_names

PAGE = Path(__file__).parents[2] / 'docs' / 'strategies.md'


def rows_under(heading: str) -> list[list[str]]:
    """The cells of each row of the page's table that starts with `heading`."""
    _, _, after = PAGE.read_text(encoding='utf-8').partition(f'| {heading} |')
    table = after.partition('\n\n')[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip('|').split('|')] for row in table]


def test_every_strategy_has_a_row_of_four_cells():
    rows = rows_under('strategy')
    assert all(len(row) == 4 and all(row) for row in rows)
    assert tuple(row[0].strip('`') for row in rows) == strategy_names()


def test_every_strategy_is_in_one_family():
    names = [name for _, cell in rows_under('family') for name in re.findall(r'`(\w+)`', cell)]
    named = [name for name in names if name in strategy_names()]
    assert sorted(named) == sorted(strategy_names())
