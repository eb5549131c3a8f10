"""Users' own objects: found again in any process, and a changed definition is a new cell."""

import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from rich.console import Console

from cnn_jax.brought import found, load_file, record_of, source_hash
from cnn_jax.errors import BadInput
from cnn_jax.exits import exit_codes
from cnn_jax.layers import Downsample
from cnn_jax.reports import print_table
from cnn_jax.reports.exports import export
from cnn_jax.runs import Comparison
from cnn_jax.runs.comparison import _folders
from cnn_jax.runs.config import cells_of
from cnn_jax.runs.setup import _Same
from cnn_jax.runs.values import cell_from_dict, config_hash, config_to_dict
from experiments import compare_pooling

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / 'configs' / 'shapes' / 'bring_your_own.py'

HASH_OF_A = '56409005669de9a0'
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
    record = values['strategy']['brought']
    assert record['name'] == 'Mine' and len(record['source']) == 16


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


def test_packages_and_their_relative_imports_are_part_of_a_definition(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [*sys.path, str(tmp_path)])
    folder = tmp_path / 'lab_of_a_test'
    folder.mkdir()
    (folder / '__init__.py').write_text('WIDTH = 1\n')
    (folder / 'deep.py').write_text('SCALE = 1\n')
    (folder / 'own.py').write_text('from .deep import SCALE\nfrom . import WIDTH\nimport jax\n')
    (tmp_path / 'user_of_a_test.py').write_text('from lab_of_a_test import own\n')
    hashes = set()
    for file, text in (
        ('own.py', None),
        ('deep.py', 'SCALE = 1000\n'),
        ('__init__.py', 'WIDTH = 2\n'),
    ):
        if text is not None:
            (folder / file).write_text(text)
        hashes.add(source_hash(tmp_path / 'user_of_a_test.py', 'user_of_a_test'))
        hashes.add(source_hash(folder / 'own.py', 'lab_of_a_test.own'))
    assert len(hashes) == 6


def test_a_folder_without_an_init_file_is_followed_too(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(tmp_path), *sys.path])
    inner = tmp_path / 'no_init_of_a_test' / 'inner'
    inner.mkdir(parents=True)
    (inner / 'part.py').write_text('SIZE = 1\n')
    file = tmp_path / 'uses_no_init_of_a_test.py'
    file.write_text('from no_init_of_a_test.inner.part import SIZE\n')
    before = source_hash(file, 'uses_no_init_of_a_test')
    (inner / 'part.py').write_text('SIZE = 2\n')
    assert source_hash(file, 'uses_no_init_of_a_test') != before


def test_only_the_comparison_of_the_first_file_is_left_out(mine, tmp_path):
    file, helper = tmp_path / 'mine_of_a_test.py', tmp_path / 'helper_of_a_test.py'
    mine()
    hashes = set()
    for text in (
        'config = 1',
        'config = 2',
        'config = Comparison(a=1)',
        'config = Comparison(a=2)',
    ):
        helper.write_text(text + '\n')
        hashes.add(source_hash(file))
    file.write_text(file.read_text() + "config = {'scale': 1}\n")
    hashes.add(source_hash(file))
    assert len(hashes) == 5


def test_a_definition_has_one_hash_in_every_version_of_python(tmp_path):
    (tmp_path / 'a.py').write_text(
        'class A:\n    def f(self, x: int = 2, *y):\n        return f"{x}"\n'
    )
    assert source_hash(tmp_path / 'a.py') == HASH_OF_A


def test_what_runs_is_what_is_recorded_though_its_file_is_edited_meanwhile(mine, tmp_path):
    kind = mine()
    before = record_of(kind)
    file = tmp_path / 'mine_of_a_test.py'
    file.write_text(file.read_text().replace('::2', '1::2'))
    assert record_of(kind) == before


def test_nothing_of_a_changed_file_is_run(mine, tmp_path):
    record = record_of(mine())
    sys.modules.pop(record['brought']['module'])
    (tmp_path / 'mine_of_a_test.py').write_text("raise RuntimeError('it ran')\n")
    with pytest.raises(BadInput, match='is not what it was'):
        found(record)
    (tmp_path / 'mine_of_a_test.py').write_text('def broken(:\n')
    with pytest.raises(BadInput, match='cannot be read: SyntaxError'):
        found(record)


def test_cells_are_told_apart_by_their_values_whatever_their_own_equality_says(mine, tmp_path):
    text = MINE.replace(
        'stride: int = 2', 'stride: int = 2\n    s: int = field(default=0, compare=False)'
    )
    kind = mine(text=text.replace('import dataclass', 'import dataclass, field'))
    both = {'a': kind(s=1), 'b': kind(s=2)}
    cells = cells_of(Comparison(strategies=both, baseline='a', seeds=(0,)))
    first, second = cells.values()
    assert config_hash(first) != config_hash(second)
    folders = _folders(cells, tmp_path)
    assert len(set(folders.values())) == 2
    assert _Same(first) != _Same(second) and _Same(first) == _Same(first)


def test_the_place_of_a_file_is_no_part_of_a_cells_name(mine, tmp_path):
    cell = cells_of(Comparison(strategies={'a': mine()()}, baseline='a'))['a', 0]
    values = config_to_dict(cell)
    (tmp_path / 'moved').mkdir()
    for name in ('mine_of_a_test.py', 'helper_of_a_test.py'):
        (tmp_path / name).rename(tmp_path / 'moved' / name)
    moved = load_file(tmp_path / 'moved' / 'mine_of_a_test.py').Mine
    again = cells_of(Comparison(strategies={'a': moved()}, baseline='a'))['a', 0]
    one, two = (v['strategy']['brought']['source'] for v in (config_to_dict(again), values))
    assert one == two and config_hash(again) == config_hash(cell)
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
        ('stride: int = 2', 'stride: int = 2\n    brought: int = 1', 'may not be called brought'),
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
    (table,) = export(run, 'latex')
    assert r'worst\_class & difference' in table.read_text()
    print_table(summary, Console())
    assert 'worst_class: mean over seeds, and difference from' in capsys.readouterr().out


BROKEN = """
import numpy as np, optax
from flax import linen as nn
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import Max
class Net(nn.Module):
    downsample: object
    num_classes: int
    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(self.num_classes)(x.mean((1, 2)))
class NoTrain(Net):
    def __call__(self, x):
        return x
class Pair(Net):
    @nn.compact
    def __call__(self, x, *, train):
        return x, x
class Wide(Net):
    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(self.num_classes + 1)(x.mean((1, 2)))
class Listed(Net):
    widths: tuple = ()
    def __hash__(self): raise TypeError('unhashable type: list')
def no_module(downsample, num_classes): return 3
def takes_none(): return nn.Dense(2)
def raises(): raise KeyError('gone')
def nothing(**_): return None
def smaller(key, images): return images[:, 1:]
def empty(key, images): return None
def nan(predict, images, labels): return float('nan')
def accuracy(predict, images, labels): return 1.0
seeds = (0, 1, 2)
fields = dict(strategies={'max': Max()}, seeds=seeds, model=Net, data='shapes_tiny', epochs=1)
fields |= dict(batch_size=64)
quick = dict(max_shift=1, worst_case_images=2, maps=1)
config = Comparison(**fields | dict(CHANGES))
"""


@pytest.mark.parametrize(
    'changes, code, said',
    [
        ('model=NoTrain', 2, 'NoTrain cannot take images (28, 28, 1) with train='),
        ('model=Pair', 2, 'Pair must give logits (2, 8) for 2 images; it gives tuple'),
        ('model=Wide', 2, 'Wide must give logits (2, 8) for 2 images; it gives (2, 9)'),
        ('model=Listed', 2, 'Listed: all fields of Listed must have a hash'),
        ('model=no_module', 2, 'no_module must return a Flax Linen module; got int'),
        ('model=takes_none', 2, 'takes_none(downsample=..., num_classes=...) raised TypeError'),
        ('data=raises', 2, "raises raised KeyError: 'gone'"),
        ('data=nothing', 2, 'nothing must return a cnn_jax.data.Dataset; got NoneType'),
        ('data=np.zeros(3)', 2, 'data must be a name, a folder, or a function'),
        ('optimizer=nothing', 2, 'nothing must return an Optax transformation; got NoneType'),
        ('optimizer=optax.adam', 2, 'adam(epochs=..., steps_per_epoch=...) raised TypeError'),
        ('augment=smaller', 2, 'smaller returned uint8 (2, 27, 28, 1) for images'),
        ('augment=empty', 2, 'empty returned NoneType'),
        ('evaluation=Evaluation(metrics=(accuracy,))', 2, 'accuracy is taken'),
        ('evaluation=Evaluation(metrics=(nan,), **quick)', 3, 'nan must return a finite number'),
    ],
)
def test_broken_parts_are_named(tmp_path, monkeypatch, capsys, unchecked, changes, code, said):
    monkeypatch.setattr(sys, 'path', list(sys.path))
    (tmp_path / 'broken.py').write_text(BROKEN.replace('CHANGES', changes))
    ended, err = compare(monkeypatch, capsys, tmp_path / 'broken.py', tmp_path / 'run')
    assert ended == code and said in err and 'Traceback' not in err, err
    assert (tmp_path / 'run').exists() == (code == 3)
    assert len(err.strip().splitlines()) <= (2 if code == 2 else 9)


def test_numbers_that_are_not_finite_are_refused_before_training(
    mine, tmp_path, monkeypatch, capsys
):
    mine('x[:, ::2, ::2] * jnp.nan')
    file = tmp_path / 'mine_of_a_test.py'
    code, said = compare(monkeypatch, capsys, file, tmp_path / 'run')
    assert code == 2 and 'Mine: logits are not finite before the first step' in said
    assert 'Traceback' not in said
