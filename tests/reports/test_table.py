"""The terminal tables: complete and readable at 80 columns, also in files and plain ASCII."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cnn_jax.reports.run import read_run
from cnn_jax.reports.summary import summarize_run
from cnn_jax.reports.table import print_table
from cnn_jax.reports.words import probability
from tests.reports.fake_run import fake_run


def printed(summary: dict[str, Any], width: int = 80) -> str:
    buffer = io.StringIO()
    print_table(summary, Console(file=buffer, width=width))
    return buffer.getvalue()


@pytest.fixture(scope='module')
def partial(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp('run')
    fake_run(folder, seeds=range(8), missing=[('avg', 3)], diverged=[('stride', 0)])
    return summarize_run(read_run(folder))


def test_each_row_stays_on_one_line_at_80_columns(partial: dict[str, Any]):
    lines = printed(partial).splitlines()
    assert max(map(len, lines)) <= 80
    rows = [line.split() for line in lines if line.split()[:1] == ['max_blur5']]
    assert len(rows) == 3
    row = partial['strategies']['max_blur5']
    assert rows[0][1] == '8'
    assert rows[0][2] == f'{100 * row["accuracy"]["mean"]:.2f}'
    assert rows[0][-4:-2] == [f'{row["examples_per_second"]:,.0f}', '29,034']
    assert rows[0][-2:] == ['8.06', 'M']
    assert [cells[-1] for cells in rows[1:]] == ['worse', 'better']
    comparison = next(c for c in partial['comparisons'] if c['strategy'] == 'max_blur5')
    assert rows[1][1] == f'{100 * comparison["difference"]:+.2f}'
    assert rows[1][-3:-1] == [probability(comparison[p]) for p in ('p_holm', 'p_same')]


def test_what_is_left_out_is_said(partial: dict[str, Any]):
    text = printed(partial)
    assert '7/8' in text
    assert '38 of 40 cells completed; 1 not finished, 1 diverged' in text
    assert 'How to read' in text


def test_no_colour_codes_outside_a_terminal(partial: dict[str, Any]):
    assert '\x1b' not in printed(partial)


def test_plain_ascii_output(partial: dict[str, Any]):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding='ascii', errors='strict')
    print_table(partial, Console(file=stream, width=80))
    stream.flush()
    assert b'+-' in raw.getvalue()


def test_names_are_not_read_as_markup(tmp_path: Path):
    fake_run(tmp_path, ('max', '[red]x[/red]'), (0, 1))
    assert '[red]x[/red]' in printed(summarize_run(read_run(tmp_path)), width=100)


def test_one_strategy_and_no_finished_cell(tmp_path: Path):
    one = printed(summarize_run(read_run(fake_run(tmp_path / 'one', ('max',), (0,)))))
    assert 'max is the only strategy' in one
    assert 'difference from' not in one
    fake_run(tmp_path / 'none', ('max', 'avg'), (0,), missing=[('max', 0), ('avg', 0)])
    none = printed(summarize_run(read_run(tmp_path / 'none')))
    assert none.startswith('No cell has finished yet')


@pytest.mark.parametrize('width', [20, 30, 40, 50, 60, 66, 72, 79])
def test_no_digit_is_cut_in_a_narrow_terminal(partial: dict[str, Any], width: int):
    text = printed(partial, width)
    assert max(map(len, text.splitlines())) <= width
    whole = ''.join(text.split())
    for name, row in partial['strategies'].items():
        speed = f'{row["examples_per_second"]:,.0f}'
        mean = f'{100 * row["accuracy"]["mean"]:.2f}'
        assert name in whole and speed in whole and mean in whole, (name, speed, mean)
    for row in partial['comparisons']:
        low, high = (f'{100 * end:+.2f}' for end in row['ci95'])
        assert f'[{low},{high}]' in whole and probability(row['p_holm']) in whole
