"""What users bring: found again in any process, and a changed definition is another cell."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from cnn_jax.brought import found, load_file, record_of, source_hash
from cnn_jax.errors import BadInput
from cnn_jax.exits import exit_codes
from cnn_jax.layers import Downsample
from cnn_jax.runs import Comparison
from cnn_jax.runs.config import cells_of
from cnn_jax.runs.values import cell_from_dict, config_hash, config_to_dict
from experiments import compare_pooling

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / 'configs' / 'shapes' / 'bring_your_own.py'

HELPER = 'FACTOR = 2\n'
MINE = """
from dataclasses import dataclass
from typing import ClassVar
import jax.numpy as jnp
import helper_of_a_test
from cnn_jax.strategies import Strategy
from cnn_jax.runs import Comparison

@dataclass(frozen=True)
class Mine(Strategy):
    name: ClassVar[str] = 'mine'
    stride: int = 2
    def __call__(self, x, *, train, layer):
        return BODY

config = Comparison(strategies={'mine': Mine()}, baseline='mine', data='shapes_tiny', epochs=1)
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Writes the file of a strategy with that body and makes the strategy."""
    monkeypatch.setattr(sys, 'path', list(sys.path))
    (tmp_path / 'helper_of_a_test.py').write_text(HELPER)

    def make(body='x[:, ::2, ::2]', text=MINE):
        file = tmp_path / 'mine_of_a_test.py'
        file.write_text(text.replace('BODY', body))
        return load_file(file).Mine

    yield make
    sys.modules.pop('helper_of_a_test', None)


def test_cells_are_made_again_from_plain_values(mine):
    config = Comparison(strategies={'mine': mine()()}, baseline='mine', data='shapes_tiny')
    cell = cells_of(config)['mine', 0]
    values = json.loads(json.dumps(config_to_dict(cell)))
    assert cell_from_dict(values) == cell
    assert values['strategy']['brought'] == 'Mine' and len(values['strategy']['source']) == 16


def test_a_definition_is_all_that_its_file_and_those_beside_it_define(mine, tmp_path):
    file = tmp_path / 'mine_of_a_test.py'
    mine()
    first = source_hash(file)
    same = [
        '"""A docstring."""\n' + MINE,
        MINE.replace('epochs=1', 'epochs=2, seeds=(0, 1)'),
        MINE + '\n# a comment\n',
    ]
    for text in same:
        mine(text=text)
        assert source_hash(file) == first
    mine('x[:, 1::2, ::2]')
    assert source_hash(file) != first
    mine()
    (tmp_path / 'helper_of_a_test.py').write_text('FACTOR = 3\n')
    assert source_hash(file) != first


def test_the_place_of_a_file_is_no_part_of_a_cells_name(mine, tmp_path):
    cell = cells_of(Comparison(strategies={'a': mine()()}, baseline='a'))['a', 0]
    values = config_to_dict(cell)
    (tmp_path / 'moved').mkdir()
    for name in ('mine_of_a_test.py', 'helper_of_a_test.py'):
        (tmp_path / name).rename(tmp_path / 'moved' / name)
    moved = load_file(tmp_path / 'moved' / 'mine_of_a_test.py').Mine
    again = cells_of(Comparison(strategies={'a': moved()}, baseline='a'))['a', 0]
    assert config_hash(again) == config_hash(cell_from_dict(config_to_dict(again)))
    assert config_to_dict(again)['strategy']['source'] == values['strategy']['source']
    with pytest.raises(BadInput, match='was defined in .* which is not there'):
        found(values['strategy'])


def test_a_file_that_changed_is_no_longer_what_was_brought(mine):
    record = record_of(mine())
    mine('x[:, 1::2, 1::2]')
    with pytest.raises(BadInput, match='is not what it was when the run recorded Mine'):
        found(record)


def test_what_no_other_process_can_find_is_refused(monkeypatch, unchecked):
    def inner():
        pass

    for thing, said in (
        (inner, 'inner must be defined at the top level'),
        (lambda: None, 'must be defined at the top level'),
        (3, 'must be a class or a function'),
    ):
        with pytest.raises(BadInput, match=said):
            record_of(thing)
    monkeypatch.setattr(inner, '__module__', '__main__')
    with pytest.raises(BadInput, match='notebook or a shell.*%%writefile'):
        record_of(inner)


@pytest.mark.parametrize(
    'old, new, said',
    [
        ('@dataclass(frozen=True)\n', '', 'Mine must be a frozen dataclass'),
        ('@dataclass(frozen=True)', '@dataclass', 'Mine must be a frozen dataclass'),
        ("    name: ClassVar[str] = 'mine'\n", '', 'Mine needs a name'),
        ('    stride: int = 2\n', '', 'Mine needs a stride'),
        ('stride: int = 2', 'stride: int = 0', 'Mine needs a stride, an int of at least 1'),
    ],
)
def test_a_strategy_that_forgets_something_is_told_so(mine, old, new, said, unchecked):
    kind = mine(text=MINE.replace(old, new).rpartition('config =')[0])
    with pytest.raises(BadInput, match=said):
        Comparison(strategies={'mine': kind()}, baseline='mine')


@pytest.mark.parametrize(
    'body, said',
    [
        ('x', r'Mine has stride 2, so of 28 elements it must keep about 14; got 28'),
        ('x[:, ::4, ::4]', 'must keep about 14; got 7'),
        ('x[:, ::2, ::2].mean(-1)', 'must return a map of 4 axes'),
        ('x[:1, ::2, ::2]', 'must return a map of 4 axes and the same batch'),
        ('x[:, ::2, ::2].astype(jnp.float16)', 'must return float32, as its input is; got float16'),
        ('None', 'must return a map'),
    ],
)
def test_a_wrong_output_names_the_layer_and_the_strategy(mine, body, said, unchecked):
    layer = Downsample(mine(body)())
    with pytest.raises(BadInput, match=f'layer Downsample .*{said}'):
        jax.eval_shape(lambda: layer.apply({}, jnp.ones((2, 28, 28, 3)), train=False))


def compare(monkeypatch, capsys, config, folder, *options) -> tuple[int, str]:
    """Runs the comparison in this process, its workers in others: exit code and stderr."""
    words = ['compare_pooling', config, '--output', folder, *options]
    monkeypatch.setattr(sys, 'argv', list(map(str, words)))
    try:
        with exit_codes():
            compare_pooling.main()
    except SystemExit as end:
        return int(str(end.code)), capsys.readouterr().err
    return 0, capsys.readouterr().err


def test_a_config_that_brings_everything_runs_and_goes_on(tmp_path, monkeypatch, capsys):
    run = tmp_path / 'run'
    small = ('--strategies', 'max', 'sharpened')
    code, said = compare(monkeypatch, capsys, EXAMPLE, run, '--seeds', '0', *small)
    assert code == 0, said
    code, said = compare(monkeypatch, capsys, EXAMPLE, run, '--extend', *small)
    assert code == 0 and said.count('finished before') == 2
    summary = json.loads((run / 'summary.json').read_text())
    assert summary['strategies']['sharpened']['parameters'] == 1283
    assert len(summary['strategies']['max']['worst_class']['values']) == 2
    assert 'worst_class' in {row['metric'] for row in summary['comparisons']}
    assert 'Metrics of your own' in (run / 'report.md').read_text()


def test_numbers_that_are_not_finite_are_refused_before_training(
    mine, tmp_path, monkeypatch, capsys
):
    mine('x[:, ::2, ::2] * jnp.nan')
    file = tmp_path / 'mine_of_a_test.py'
    code, said = compare(monkeypatch, capsys, file, tmp_path / 'run')
    assert code == 2 and 'Mine: logits are not finite before the first step' in said
    assert 'Traceback' not in said
