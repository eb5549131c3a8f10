"""The table of the documentation that says where each strategy differs from its authors' code."""

import re
from pathlib import Path

from cnn_jax.modules import strategy_names

PAGE = Path(__file__).parents[2] / 'docs' / 'strategies.md'


def test_every_strategy_has_a_row_of_four_cells():
    rows = [line for line in PAGE.read_text(encoding='utf-8').splitlines() if line.startswith('|')]
    cells = [[cell.strip() for cell in row.strip('|').split('|')] for row in rows]
    assert {len(row) for row in cells} == {4} and all(cell for row in cells for cell in row)
    names = [re.fullmatch(r'`(\w+)`', row[0]) for row in cells[2:]]
    assert tuple(name.group(1) for name in names if name) == strategy_names()
    assert all(names)
