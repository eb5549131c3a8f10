"""Writing a report: all files, in one step each, the same each time, nothing lost on failure."""

import json
import re
from pathlib import Path

import pytest

from cnn_jax.errors import BadInput
from cnn_jax.reports import read_run, summarize_run, write_report
from tests.reports.fake_run import fake_run


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob('*') if path.is_file() and 'cells' not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_all_files_are_written_and_the_summary_returned(tmp_path: Path):
    summary = write_report(fake_run(tmp_path, ('max', 'avg')))
    written = contents(tmp_path)
    plots = {'differences', 'accuracy_consistency', 'learning_curves', 'shift_maps', 'cost'}
    assert set(written) == {
        'comparison.json',
        'report.html',
        'report.md',
        'summary.json',
        *(f'plots/{name}.png' for name in plots),
    }
    assert summary == summarize_run(read_run(tmp_path))
    assert json.loads(written['summary.json']) == summary
    links = re.findall(r'!\[[^]]*\]\(([^)]*)\)', written['report.md'].decode())
    assert set(links) == {f'plots/{name}.png' for name in plots}
    assert all(written[link].startswith(b'\x89PNG') for link in links)


def test_no_nan_reaches_the_summary(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), (0,), diverged=[('avg', 0)])
    write_report(tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    json.loads((tmp_path / 'summary.json').read_text(), parse_constant=refuse)


def test_a_second_report_is_the_same_to_the_byte(tmp_path: Path):
    write_report(fake_run(tmp_path, ('max', 'avg'), (0, 1)))
    first = contents(tmp_path)
    write_report(tmp_path)
    assert contents(tmp_path) == first


@pytest.mark.parametrize('strategies', [1, 20])
def test_few_and_many_strategies(tmp_path: Path, strategies: int):
    names = [f'strategy_{index}' for index in range(strategies)]
    summary = write_report(fake_run(tmp_path, names, (0,), epochs=1))
    assert list(summary['strategies']) == names
    assert len(summary['comparisons']) == 2 * (strategies - 1)


def test_a_damaged_run_leaves_the_old_report(tmp_path: Path):
    write_report(fake_run(tmp_path, ('max',), (0, 1)))
    before = contents(tmp_path)
    result = tmp_path / 'cells' / '000001' / 'result.json'
    result.write_text(result.read_text()[:-5])
    with pytest.raises(BadInput, match=r'result\.json'):
        write_report(tmp_path)
    assert contents(tmp_path) == before
