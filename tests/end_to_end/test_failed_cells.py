"""Cells that raise errors, and files that cannot be written, from the command line."""

import json
import sys

import pytest

from cnn_jax.exits import exit_codes
from experiments import compare_pooling

MINE = """
from dataclasses import dataclass
from typing import ClassVar
from cnn_jax.strategies import Max
@dataclass(frozen=True)
class Mine(Max):
    name: ClassVar[str] = 'mine'
    def __call__(self, x, *, train, layer):
        if train and BROKEN:
            raise RuntimeError('no memory\\n  for this op')
        return super().__call__(x, train=train, layer=layer)
"""
CONFIG = """
from cnn_jax.strategies import Max
from cnn_jax.runs import Comparison, Evaluation
from a_strategy_of_a_test import Mine
config = Comparison(
    strategies={'max': Max(), 'mine': Mine()}, seeds=(0,), data='shapes_tiny', epochs=1,
    batch_size=64, evaluation=Evaluation(max_shift=1, worst_case_images=4, maps=1),
)
"""


@pytest.fixture
def compare(tmp_path, monkeypatch, capsys):
    """Runs the comparison, its strategy `mine` broken or not, in a folder `run`."""
    (tmp_path / 'config.py').write_text(CONFIG)
    monkeypatch.setattr(sys, 'path', list(sys.path))

    def call(*options, broken=False):
        sys.modules.pop('a_strategy_of_a_test', None)  # each run is a process of its own
        (tmp_path / 'a_strategy_of_a_test.py').write_text(f'BROKEN = {broken}\n{MINE}')
        command = ['x', tmp_path / 'config.py', '--output', tmp_path / 'run', '--workers', '1']
        command += options
        monkeypatch.setattr(sys, 'argv', [str(part) for part in command])
        code = 0
        try:
            with exit_codes():
                compare_pooling.main()
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    yield call
    sys.modules.pop('a_strategy_of_a_test', None)


def test_a_cell_that_raises_is_left_out_and_tried_again(compare, tmp_path):
    for again in (False, True):
        code, err = compare(broken=True)
        assert code == 3, err
        assert ('mine, seed 0: failed before (RuntimeError: no memory for' in err) == again
        assert 'Traceback' not in err
        first, second = err.strip().splitlines()[-2:]
        assert first == 'failed: mine, seed 0: RuntimeError: no memory for this op.'
        assert second.startswith('The report is without what failed') and 'once more' in second
        summary = json.loads((tmp_path / 'run' / 'summary.json').read_text(encoding='utf-8'))
        rows = summary['strategies']
        assert (rows['max']['seeds'], rows['mine']['failed']) == ([0], [0])
        report = (tmp_path / 'run' / 'report.md').read_text(encoding='utf-8')
        assert '1 of 2 cells completed; 1 failed' in report and 'no memory for this op' in report
    code, err = compare()
    assert code == 2 and 'strategies.mine.brought.source' in err and '--extend' in err
    code, err = compare('--extend')  # a changed definition is another cell
    assert code == 0 and 'max, seed 0: finished before' in err, err
    finished = (tmp_path / 'run').glob('cells/*/predictions.npz')
    environments = [path.parent / 'environment.json' for path in finished]
    found = [json.loads(path.read_text(encoding='utf-8')) for path in environments]
    assert [e['trust_backend'] for e in found] == [False, False]
    assert all(e['packages']['cnn_jax'] for e in found)

    # The report of a finished run, where something is in the way of its files.
    for name in ('summary.json', 'plots'):
        path = tmp_path / 'run' / name
        aside = path.rename(tmp_path / 'aside')
        path.write_text('') if name == 'plots' else path.mkdir()
        code, err = compare()
        said = err.strip().splitlines()[-1]
        assert code == 2 and said.startswith('error: cannot write') and name in said, err
        path.unlink() if name == 'plots' else path.rmdir()
        aside.rename(path)

    # A finished cell's file that cannot be read, and no checkpoint to make it from again.
    cell = environments[0].parent
    (cell / 'checkpoints').rename(tmp_path / 'checkpoints')
    (cell / 'timing.jsonl').write_bytes(b'\xff' + (cell / 'timing.jsonl').read_bytes())
    code, err = compare()
    assert code == 2 and 'timing.jsonl is damaged' in err and 'Traceback' not in err
    assert len(err.strip().splitlines()) <= 2


def test_trust_is_recorded(compare, tmp_path):
    code, err = compare('--trust-backend', '--strategies', 'max')
    assert code == 0, err
    (path,) = (tmp_path / 'run').glob('cells/*/environment.json')
    assert json.loads(path.read_text(encoding='utf-8'))['trust_backend'] is True
