"""A comparison's folder: damage, changed data, other versions, failed cells; run in process."""

import dataclasses
import io
import json
import shutil
from typing import Any

import pytest
from rich.console import Console

from cnn_jax.checksums import read_sealed, write_sealed
from cnn_jax.data import Split, load
from cnn_jax.errors import BadInput, InUse
from cnn_jax.files import _machine
from cnn_jax.reports.run import read_run
from cnn_jax.runs import Comparison, Evaluation, begin, comparison, config, one_cell
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.comparison import run_comparison
from cnn_jax.runs.finished import write_failure
from cnn_jax.runs.folder import locked
from cnn_jax.runs.one_cell import run_cell_alone
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.values import cell_from_dict, config_to_dict, hash_of_values
from cnn_jax.strategies import Avg, Max

CONFIG = Comparison(
    strategies={'max': Max()},
    seeds=(0,),
    data='shapes_tiny',
    title='Größe',
    epochs=2,
    batch_size=64,
    evaluation=Evaluation(max_shift=1, worst_case_images=4, maps=1, batch_size=64),
)


@pytest.fixture(scope='module')
def dataset():
    return load('shapes_tiny', log=lambda line: None)


@pytest.fixture(autouse=True)
def in_process(monkeypatch):
    """`run_cells` without processes; the list holds what was run."""
    ran = []

    def run_cells(cells, folders, given, events, **_):
        out = {}
        for key, cell in cells.items():
            ran.append(key)
            try:
                out[key] = run_cell(cell, folders[key], given, log=events.log)
            except (BadInput, InUse):
                raise
            except Exception as error:
                out[key] = write_failure(folders[key], error)
        return out

    monkeypatch.setattr(comparison, 'run_cells', run_cells)
    monkeypatch.setattr(one_cell, 'run_cells', run_cells)
    return ran


def go(folder, dataset, recipe=CONFIG, **options):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=1000))
    failed = run_comparison(recipe, folder, dataset, progress, **options)
    return failed, text.getvalue()


@pytest.fixture(scope='module')
def finished(tmp_path_factory, dataset):
    folder = tmp_path_factory.mktemp('finished')
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            comparison,
            'run_cells',
            lambda cells, folders, *_, **__: {
                key: run_cell(cell, folders[key], dataset) for key, cell in cells.items()
            },
        )
        go(folder, dataset)
    return folder


@pytest.fixture
def run(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / 'run')


def cell_of(run):
    (cell,) = (run / 'cells').iterdir()
    return cell


@pytest.mark.parametrize(
    'name',
    ['result.json', 'predictions.npz', 'metrics.jsonl', 'timing.jsonl', 'config.json']
    + ['environment.json', 'checksums.json'],
)
@pytest.mark.parametrize('damage', ['flipped', 'deleted'])
def test_a_damaged_cell_is_judged_again_from_its_checkpoint(
    run, finished, dataset, in_process, name, damage
):
    cell, whole = cell_of(run), cell_of(finished)
    content = bytearray((cell / name).read_bytes())
    content[len(content) // 2] ^= 1
    (cell / name).unlink()
    if damage == 'flipped':
        (cell / name).write_bytes(content)
    _, said = go(run, dataset)
    assert in_process == [('max', 0)]
    if (name, damage) != ('result.json', 'deleted'):  # that one is not told from unfinished
        assert name in said and 'judged again from its last checkpoint' in said
        aside = {p.name for p in (cell / 'damaged').iterdir()}
        assert len(aside) == 7 - (damage == 'deleted')
        assert damage == 'deleted' or (cell / 'damaged' / name).read_bytes() == content
    for same in ('predictions.npz', 'metrics.jsonl', 'config.json', 'timing.jsonl', 'result.json'):
        assert (cell / same).read_bytes() == (whole / same).read_bytes()
    assert read_run(run).cells[0].checked


def test_a_damaged_cell_without_a_checkpoint_is_named_and_left_alone(run, dataset, in_process):
    cell = cell_of(run)
    shutil.rmtree(cell / 'checkpoints')
    (cell / 'predictions.npz').unlink()
    before = {p: p.read_bytes() for p in cell.iterdir() if p.name != 'lock'}
    with pytest.raises(BadInput, match=rf'predictions\.npz is missing.* move the folder {cell}'):
        go(run, dataset)
    assert {p: p.read_bytes() for p in cell.iterdir() if p.name != 'lock'} == before
    assert in_process == []


def test_a_damaged_index_is_named_and_can_be_made_again(run, dataset, in_process):
    index = run / 'comparison.json'
    whole = index.read_bytes()
    index.write_bytes(whole.replace(b'"epochs": 2', b'"epochs": 3'))
    with pytest.raises(BadInput, match=r'comparison\.json is damaged.* Move it away'):
        go(run, dataset)
    index.unlink()
    _, said = go(run, dataset)
    assert 'finished before' in said and in_process == [] and index.read_bytes() == whole


def test_what_a_killed_run_left_half_written_is_removed(run, dataset):
    (run / 'plots').mkdir(exist_ok=True)
    before = {path for path in run.rglob('*') if path.is_file()}
    (cell_of(run) / 'result.json').unlink()
    for place in (run, run / 'plots', cell_of(run)):
        (place / f'.half.{2**31 + 1}-{_machine()}.tmp').write_bytes(b'{')  # of no process
    go(run, dataset)
    assert {path for path in run.rglob('*') if path.is_file()} == before


def test_what_lies_in_a_cell_is_removed_only_when_its_lock_is_held(run, dataset, monkeypatch):
    cell, held = cell_of(run), []
    half = cell / f'.half.{2**31 + 1}-{_machine()}.tmp'
    half.touch()
    (cell / 'result.json').unlink()
    monkeypatch.setattr('cnn_jax.runs.cell.ORPHAN_SECONDS', 0.0)
    with locked(cell), pytest.raises(InUse):
        run_cell_alone(('max', 0), CONFIG, run, dataset, Progress())
    with locked(cell), pytest.raises(InUse):
        go(run, dataset)
    assert half.exists()

    def remove(folder):
        with pytest.raises(InUse), locked(folder):
            pass
        held.append(folder)

    monkeypatch.setattr(begin, 'remove_leftovers', remove)
    assert run_cell_alone(('max', 0), CONFIG, run, dataset, Progress()) is None
    assert held == [cell]


def test_a_damaged_cell_does_not_stop_another_one_but_its_own_run_and_the_report(
    run, dataset, in_process
):
    other = dataclasses.replace(CONFIG, strategies={'max': Max(), 'avg': Avg()})
    (cell_of(run) / 'environment.json').write_bytes(b'{"half')
    said = run_cell_alone(('avg', 0), other, run, dataset, Progress(), extend=True)
    assert said is None and in_process == [('avg', 0)]
    with pytest.raises(BadInput, match=r'environment\.json .*damaged|does not match'):
        read_run(run)
    assert run_cell_alone(('max', 0), other, run, dataset, Progress()) is None
    assert in_process == [('avg', 0), ('max', 0)] and read_run(run).cells[0].checked


def test_other_data_is_refused_by_the_index_and_by_finished_cells(run, dataset, in_process):
    brighter = Split(dataset.train.images | 1, dataset.train.labels)
    other = dataclasses.replace(dataset, train=brighter)
    with pytest.raises(BadInput, match=r'comparison\.json is of other data.*another --output'):
        go(run, other, dataclasses.replace(CONFIG, seeds=(0, 1)), extend=True)
    (run / 'comparison.json').unlink()
    with pytest.raises(BadInput, match=r'environment\.json is of other data'):
        go(run, other)
    assert in_process == []
    two = dataclasses.replace(CONFIG, strategies={'max': Max(), 'avg': Avg()})
    assert run_cell_alone(('avg', 0), two, run, other, Progress()) is None
    with pytest.raises(BadInput, match=r'trained on other data than .*comparison\.json names'):
        read_run(run)


def test_a_title_and_a_baseline_are_of_the_report_alone(run, dataset, in_process):
    new = dataclasses.replace(CONFIG, title='Another headline')
    _, said = go(run, dataset, new)
    assert 'finished before' in said and in_process == []
    index = json.loads((run / 'comparison.json').read_text(encoding='utf-8'))
    assert index['config']['title'] == 'Another headline'
    go(run, dataset)


def test_a_field_that_an_older_version_lacks_has_its_default(run, dataset, in_process):
    index, cell = run / 'comparison.json', cell_of(run)
    values = json.loads((cell / 'config.json').read_text(encoding='utf-8'))
    del values['precision'], values['evaluation']['border']
    old = run / 'cells' / hash_of_values(values)
    shutil.rmtree(cell / 'checkpoints')
    cell.rename(old)
    for name in ('checksums.json', 'config.json'):
        (old / name).unlink()
    (old / 'config.json').write_text(json.dumps(values), encoding='utf-8')
    result = json.loads((old / 'result.json').read_text(encoding='utf-8'))
    del result['version']
    (old / 'result.json').write_text(json.dumps(result), encoding='utf-8')
    content = read_sealed(index)
    del content['version'], content['data_fingerprint'], content['config']['precision']
    index.write_text(json.dumps(content), encoding='utf-8')
    _, said = go(run, dataset)
    assert 'finished before' in said and in_process == []
    assert read_run(run).cells[0].folder == old and not read_run(run).cells[0].checked
    with pytest.raises(BadInput, match='precision: "float32" -> "bfloat16"'):
        go(run, dataset, dataclasses.replace(CONFIG, precision='bfloat16'))


@pytest.mark.parametrize('where', ['config', 'optimizer', 'strategies'])
def test_a_newer_version_is_named(run, dataset, where):
    index = run / 'comparison.json'
    content = read_sealed(index) | {'version': '9.1.0'}
    values = content['config']
    places = {'optimizer': ('optimizer',), 'strategies': ('strategies', 'max')}
    part: Any = values
    for name in places.get(where, ()):
        part = part[name]
    part['novelty'] = 3
    write_sealed(index, content)
    said = r'another version of cnn_jax \(9\.1\.0; this is .*novelty.*Use that version, or give'
    with pytest.raises(BadInput, match=said):
        go(run, dataset)


def test_a_cell_of_a_newer_version_is_bad_input():
    values = config_to_dict(next(iter(config.cells_of(CONFIG).values())))
    for wrong in ({'novelty': 1}, {'optimizer': {'novelty': 1}}, {'strategy': {'name': 'new'}}):
        with pytest.raises(BadInput, match='not the config of a cell: .*(novelty|new)'):
            cell_from_dict(values | wrong)


def test_a_failed_cell_is_recorded_and_tried_once_more(tmp_path, dataset, in_process, monkeypatch):
    recipe = dataclasses.replace(CONFIG, strategies={'max': Max(), 'avg': Avg()})
    whole = begin.setup_of

    def fails_on_avg(cell, data):
        if cell.strategy == Avg():
            raise RuntimeError('RESOURCE_EXHAUSTED:\n out of memory')
        return whole(cell, data)

    monkeypatch.setattr(begin, 'setup_of', fails_on_avg)
    for said_before in (False, True):
        failed, said = go(tmp_path, dataset, recipe)
        assert failed == {('avg', 0): 'RuntimeError: RESOURCE_EXHAUSTED: out of memory'}
        assert ('failed before (RuntimeError: RESOURCE' in said) == said_before
        assert [c.status for c in read_run(tmp_path).cells] == ['completed', 'failed']
    assert in_process == [('max', 0), ('avg', 0), ('avg', 0)]
    result = json.loads((read_run(tmp_path).cells[1].folder / 'result.json').read_text())
    assert 'fails_on_avg' in result['traceback']
    monkeypatch.undo()
    monkeypatch.setattr(
        comparison,
        'run_cells',
        lambda cells, folders, *_, **__: {
            key: run_cell(cell, folders[key], dataset) for key, cell in cells.items()
        },
    )
    assert go(tmp_path, dataset, recipe)[0] == {}
    assert [c.status for c in read_run(tmp_path).cells] == ['completed', 'completed']
