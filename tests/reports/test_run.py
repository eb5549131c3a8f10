"""Reading run folders, intact and damaged."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.reports.run import read_run, read_shift_maps
from tests.reports.fake_run import CLASS_NAMES, fake_images, fake_run, write_json


def test_cells_keep_their_order_and_state(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max', 'avg'), missing=[('max', 1)], diverged=[('avg', 2)]))
    assert run.strategies == ('max', 'avg')
    assert run.title == 'Fashion-MNIST: which pooling?'
    recipe = {'model': 'resnet20', 'data': 'shapes', 'title': ''}
    assert dataclasses.replace(run, config=recipe).title == 'Which pooling for resnet20 on shapes?'
    assert run.baseline == 'max'
    assert run.split == 'test'
    assert run.class_names == tuple(CLASS_NAMES)
    found = [(cell.strategy, cell.seed, cell.status) for cell in run.cells]
    assert found == [
        ('max', 0, 'completed'),
        ('max', 1, 'missing'),
        ('max', 2, 'completed'),
        ('avg', 0, 'completed'),
        ('avg', 1, 'completed'),
        ('avg', 2, 'diverged'),
    ]
    assert [cell.seed for cell in run.select('max', 'completed')] == [0, 2]
    assert [row['epoch'] for row in run.cells[0].epochs] == [1, 2, 3]
    assert run.cells[0].environment['python'] == '3.13.0'


def test_values_are_frozen(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max',), (0,)))
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.cells[0].seed = 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_cell_that_never_began_is_missing(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0,))
    content = json.loads((tmp_path / 'comparison.json').read_text())
    content['cells'].append({'strategy': 'max', 'seed': 1, 'folder': 'cells/not_there'})
    write_json(tmp_path / 'comparison.json', content)
    assert [cell.status for cell in read_run(tmp_path).cells] == ['completed', 'missing']


def test_a_torn_log_of_an_unfinished_cell_is_no_error(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0, 1), missing=[('max', 1)])
    (tmp_path / 'cells' / '000001' / 'metrics.jsonl').write_text('{"epoch": 1}\n{"epo')
    assert read_run(tmp_path).cells[1].status == 'missing'


def test_not_a_number_is_read_as_none(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max',), (0,), diverged=[('max', 0)]))
    assert run.cells[0].result['accuracy'] is None
    (run.cells[0].folder / 'metrics.jsonl').write_text(
        '{"epoch": 1, "loss": -Infinity, "x": 1e999}'
    )
    assert read_run(tmp_path).cells[0].epochs == ({'epoch': 1, 'loss': None, 'x': None},)


@pytest.mark.parametrize(
    'name',
    [
        'comparison.json',
        'cells/000000/result.json',
        'cells/000000/environment.json',
        'cells/000000/metrics.jsonl',
    ],
)
@pytest.mark.parametrize('damage', ['cut', 'bytes', 'list', 'empty'])
def test_damaged_json_names_the_file(tmp_path: Path, name: str, damage: str):
    fake_run(tmp_path, ('max',), (0,))
    path = tmp_path / name
    whole = path.read_bytes()
    content = {'cut': whole[:-9], 'bytes': b'\xff\xfe' + whole, 'list': b'[1]', 'empty': b''}
    path.write_bytes(content[damage])
    if name.endswith('jsonl') and damage == 'empty':
        assert read_run(tmp_path).cells[0].epochs == ()
        return
    with pytest.raises(BadInput) as caught:
        read_run(tmp_path)
    assert str(path) in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'status': 'done'}, "not 'done'"),
        ({'accuracy': None}, 'accuracy is None, not a number'),
        ({'consistency': 'high'}, "consistency is 'high', not a number"),
    ],
)
def test_a_result_that_lacks_what_it_must_have(tmp_path: Path, change: dict, message: str):
    fake_run(tmp_path, ('max',), (0,))
    path = tmp_path / 'cells' / '000000' / 'result.json'
    write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(BadInput, match=message) as caught:
        read_run(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ({'config': {}}, "must hold 'config' and 'cells'"),
        ({'config': {}, 'cells': [{'strategy': 'max'}]}, "must have 'strategy', 'seed'"),
        ({'config': {}, 'cells': [{'strategy': 'm', 'seed': 'a', 'folder': 'b'}]}, 'integer'),
        ({'config': {'strategies': {'avg': {}}}, 'cells': []}, 'no cell for avg'),
    ],
)
def test_a_comparison_that_makes_no_sense(tmp_path: Path, content: dict, message: str):
    write_json(tmp_path / 'comparison.json', content)
    with pytest.raises(BadInput, match=message):
        read_run(tmp_path)


def test_no_comparison_here(tmp_path: Path):
    with pytest.raises(BadInput, match=r'no comparison\.json in'):
        read_run(tmp_path)


def test_shift_maps_are_read(tmp_path: Path):
    cell = read_run(fake_run(tmp_path, ('max',), (0,))).cells[0]
    maps = read_shift_maps(cell)
    assert maps is not None
    assert maps.maps.shape == (6, 7, 7)
    np.testing.assert_array_equal(maps.images, fake_images()[0])
    np.testing.assert_array_equal(maps.labels, fake_images()[1])


def test_cells_without_shift_maps(tmp_path: Path):
    cell = read_run(fake_run(tmp_path, ('max',), (0,))).cells[0]
    np.savez(cell.folder / 'predictions.npz', labels=np.zeros(3, np.int32))
    assert read_shift_maps(cell) is None
    (cell.folder / 'predictions.npz').unlink()
    assert read_shift_maps(cell) is None


class Trap:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize('damage', ['cut', 'flip', 'pickle', 'shape', 'even', 'lone'])
def test_damaged_shift_maps_name_the_file(tmp_path: Path, damage: str):
    cell = read_run(fake_run(tmp_path, ('max',), (0,))).cells[0]
    path = cell.folder / 'predictions.npz'
    content = bytearray(path.read_bytes())
    maps, (images, labels) = np.zeros((6, 7, 7), np.float32), fake_images()
    if damage == 'cut':
        path.write_bytes(content[: len(content) // 2])
    elif damage == 'flip':
        start = content.index(b'shift_images.npy') + 2000
        content[start] ^= 1
        path.write_bytes(content)
    elif damage == 'pickle':
        trap = np.array([Trap(tmp_path / 'sprung')], dtype=object)
        np.savez(path, shift_maps=trap, shift_images=images, shift_labels=labels)
    elif damage == 'even':
        np.savez(path, shift_maps=maps[:, :6, :6], shift_images=images, shift_labels=labels)
    elif damage == 'shape':
        np.savez(path, shift_maps=maps[:, :6], shift_images=images, shift_labels=labels)
    else:
        np.savez(path, shift_maps=maps)
    with pytest.raises(BadInput) as caught:
        read_shift_maps(cell)
    assert str(path) in str(caught.value)
    assert not (tmp_path / 'sprung').exists()


def test_reports_import_nothing_of_jax():
    code = (
        'import sys, cnn_jax.reports; '
        "sys.exit(any(n.split('.')[0] in {'jax', 'jaxlib', 'flax'} for n in sys.modules)"
        " or 'matplotlib.pyplot' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, '-c', code], cwd=root, check=False).returncode == 0
