"""Damage to the files of a finished run: a report never uses it silently, and names the file."""

import json
import random
import shutil
from pathlib import Path

import pytest

from cnn_jax.checksums import read_result, read_sealed, write_result, write_sealed
from cnn_jax.errors import BadInput, Damaged
from cnn_jax.reports.protocol import environment_section, leftover_cells
from cnn_jax.reports.run import read_run
from cnn_jax.reports.summary import summarize_run
from cnn_jax.reports.words import cells_note
from tests.reports.fake_run import fake_run

CELL = ('config.json', 'environment.json', 'metrics.jsonl', 'timing.jsonl', 'predictions.npz')
FILES = ['comparison.json', *(f'cells/000000/{name}' for name in CELL)]
FILES += ['cells/000000/result.json', 'cells/000000/checksums.json']


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one cell, with checksums."""
    folder = fake_run(tmp_path_factory.mktemp('whole'), ('max',), (0,))
    index = folder / 'comparison.json'
    write_sealed(index, json.loads(index.read_text()))
    cell = folder / 'cells' / '000000'
    (cell / 'config.json').write_text('{"seed": 0, "epochs": 3}')
    (cell / 'timing.jsonl').write_text('{"step": 468, "seconds": 10.5}\n')
    result = json.loads((cell / 'result.json').read_text())
    write_result(cell, result, {name: (cell / name).read_bytes() for name in CELL})
    return folder


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / 'run'))


def test_a_whole_run_is_read_and_checked(run: Path):
    (cell,) = read_run(run).cells
    assert cell.status == 'completed' and cell.checked and len(cell.epochs) == 3


@pytest.mark.parametrize('name', FILES)
@pytest.mark.parametrize('damage', ['emptied', 'cut', 'byte', 'longer', 'folder'])
def test_damage_names_the_file(run: Path, name: str, damage: str):
    path = run / name
    content = path.read_bytes()
    middle = len(content) // 2
    new = {
        'emptied': b'',
        'cut': content[:middle],
        'byte': content[:middle] + b'\xff' + content[middle + 1 :],
        'longer': content + b'0',
    }
    path.unlink()
    if damage == 'folder':
        path.mkdir()
    else:
        path.write_bytes(new[damage])
    with pytest.raises(BadInput) as caught:
        read_run(run)
    assert str(path) in str(caught.value) or name == 'comparison.json', str(caught.value)
    assert '\n' not in str(caught.value) and 'comparison' in str(caught.value)


@pytest.mark.parametrize('name', FILES)
def test_any_flipped_bit_is_noticed(run: Path, name: str):
    path = run / name
    content = path.read_bytes()
    before = read_run(run)
    for position in random.Random(0).choices(range(8 * len(content)), k=200):
        flipped = bytearray(content)
        flipped[position // 8] ^= 1 << position % 8
        path.write_bytes(flipped)
        try:
            found = read_run(run)
        except Damaged as error:
            assert path.name in str(error)
            continue
        # Only white space, or the escape of a character, of a file that holds its own digest.
        assert found == before and name in ('comparison.json', FILES[-1]), position


@pytest.mark.parametrize('name', FILES[1:])
def test_a_deleted_file_is_noticed(run: Path, name: str):
    (run / name).unlink()
    if name.endswith('result.json'):
        assert read_run(run).cells[0].status == 'missing'
        return
    with pytest.raises(Damaged, match=rf'{Path(name).name} is missing'):
        read_run(run)


@pytest.mark.parametrize('change', [{'accuracy': 0.9}, {'consistancy': 0.5}, {'version': None}])
def test_a_changed_figure_is_noticed(run: Path, change: dict):
    path = run / 'cells' / '000000' / 'result.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | change, indent=1))
    with pytest.raises(Damaged, match=r'result\.json is damaged'):
        read_run(run)


def test_a_cell_in_the_place_of_another_is_noticed(run: Path):
    index = run / 'comparison.json'
    content = read_sealed(index)
    content['cells'][0]['seed'] = 1
    write_sealed(index, content)
    with pytest.raises(Damaged, match=r'config\.json is of another cell: its seed'):
        read_run(run)


def test_a_cell_of_a_first_version_is_read_and_its_report_says_that_nothing_was_checked(
    tmp_path: Path,
):
    run = read_run(fake_run(tmp_path, ('max',), (0,)))
    assert not run.cells[0].checked
    block = environment_section(run, {'environment': {}}).blocks[0]
    assert '1 cell of an early version of cnn_jax hold' in block.text


def test_a_seal_needs_both_its_marks(tmp_path: Path):
    path = tmp_path / 'a.json'
    write_sealed(path, {'seed': 3})
    for key in ('sha256', 'version', 'seed'):
        content = json.loads(path.read_text())
        content[f'{key}x'] = content.pop(key)
        (tmp_path / 'b.json').write_text(json.dumps(content))
        with pytest.raises(Damaged, match=r'b\.json is damaged'):
            read_sealed(tmp_path / 'b.json')


def test_a_failed_cell_is_said_and_left_out(run: Path):
    cell = run / 'cells' / '000000'
    write_result(cell, {'status': 'failed', 'message': 'ValueError: too large'}, {})
    found = read_run(run)
    summary = summarize_run(found)
    row = summary['strategies']['max']
    assert (row['seeds'], row['missing'], row['failed']) == ([], [0], [0])
    assert cells_note(summary) == (
        '0 of 1 cell completed; 1 failed: left out of every mean and comparison.'
    )
    assert leftover_cells(found).blocks[0].rows == (
        ('max', '0', 'failed', 'ValueError: too large'),
    )
    result = read_result(cell)
    assert result is not None and result['status'] == 'failed'


@pytest.mark.parametrize('damage', [lambda b: b[:-1], lambda b: b + b'\n', lambda b: b' ' + b])
def test_a_sealed_file_is_read_only_byte_for_byte(tmp_path, damage):
    path = tmp_path / 'a.json'
    write_sealed(path, {'seed': 3, 'loss': 0.1})
    assert read_sealed(path)['loss'] == 0.1
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(Damaged, match='does not match its own SHA-256'):
        read_sealed(path)
