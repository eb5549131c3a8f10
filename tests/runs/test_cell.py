"""A cell in its folder: results, interruption, divergence, damage."""

import dataclasses
import hashlib
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.data import Split, load
from cnn_jax.errors import BadInput
from cnn_jax.inspection import summarize
from cnn_jax.models import build_model
from cnn_jax.runs import Cell, Evaluation, begin
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.setup import _Same, check_cell, make_setup, setup_of
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.training import Optimizer, create_state
from cnn_jax.training.augment import Augment

CELL = Cell(
    strategy=MaxBlur(),
    seed=1,
    data='shapes_tiny',
    epochs=3,
    batch_size=16,
    augment=Augment(crop=2, flip=True),
    evaluation=Evaluation(max_shift=1, worst_case_images=20, maps=2, batch_size=40),
)
SAME_BYTES = ('config.json', 'metrics.jsonl', 'predictions.npz')


@pytest.fixture(scope='module')
def dataset():
    return load('shapes_tiny', log=lambda line: None)


@pytest.fixture(scope='module')
def straight(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp('straight')
    return folder, run_cell(CELL, folder, dataset)


def fingerprint(folder):
    """What must be the same for the same cell: logs, predictions and every array of the state."""
    out = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in SAME_BYTES}
    result = json.loads((folder / 'result.json').read_text())
    out |= {k: v for k, v in result.items() if k not in ('examples_per_second', 'seconds')}
    manifests = sorted((folder / 'checkpoints').glob('*/manifest.json'))
    out['steps'] = [path.parent.name for path in manifests]
    return out


def leaves(folder, dataset):
    tree, _ = begin._restored(setup_of(CELL, dataset), CELL, folder, dataset, print)
    return [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]


def stop_at(steps):
    """A `stop` and `tick` that ask to stop once that many steps are done."""
    done = [0]

    def tick(n):
        done[0] += n

    return {'stop': lambda: done[0] >= steps, 'tick': tick}


def test_the_result_holds_every_figure(straight, dataset):
    folder, result = straight
    assert result['status'] == 'completed' and result['parameters'] > 20_000
    model = build_model(CELL.model, downsample=CELL.strategy, num_classes=dataset.num_classes)
    assert result['flops_per_example'] == summarize(model, dataset.image_shape).flops
    assert result['examples_per_second'] > 0
    stored = np.load(folder / 'predictions.npz', allow_pickle=False)
    assert result['accuracy'] == np.mean(stored['predictions'] == dataset.test.labels)
    assert result['consistency'] == stored['consistent'].mean()
    assert result['consistent_and_right'] == stored['consistent_and_right'].mean()
    assert (stored['consistent_and_right'] <= stored['consistent']).all()
    assert stored['consistent_circular'].mean() == pytest.approx(result['consistency_circular'])
    assert 0 <= result['ece'] <= 1
    assert result['worst_case_images'] == 20 and stored['shift_maps'].shape == (2, 3, 3)
    rows = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    assert [row['epoch'] for row in rows] == [1, 2, 3] and rows[-1]['step'] == result['step']
    assert rows[-1]['accuracy'] == result['accuracy']


@pytest.mark.parametrize('steps', [1, 20, 36])
def test_stopped_and_resumed_equals_straight_through(straight, dataset, tmp_path, steps):
    assert run_cell(CELL, tmp_path, dataset, **stop_at(steps)) is None
    assert not (tmp_path / 'result.json').exists()
    run_cell(CELL, tmp_path, dataset)
    expected = fingerprint(straight[0])
    got = fingerprint(tmp_path)
    assert {**got, 'steps': got['steps'][-1]} == {**expected, 'steps': expected['steps'][-1]}
    for a, b in zip(leaves(tmp_path, dataset), leaves(straight[0], dataset), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_resume_reads_the_checkpoint_alone(straight, dataset, tmp_path):
    run_cell(CELL, tmp_path, dataset, **stop_at(32), trust_backend=True)
    for name in ('metrics.jsonl', 'timing.jsonl', 'config.json', 'environment.json'):
        path = tmp_path / name
        path.write_bytes(b'\xff' + path.read_bytes()[:-3])
    result = run_cell(CELL, tmp_path, dataset)
    got, expected = fingerprint(tmp_path), fingerprint(straight[0])
    assert {**got, 'steps': 0} == {**expected, 'steps': 0} and result is not None
    timing = [json.loads(line) for line in (tmp_path / 'timing.jsonl').read_text().splitlines()]
    assert [row['step'] for row in timing] == [16, 32, 48] and result['seconds'] > 0
    environment = json.loads((tmp_path / 'environment.json').read_text())
    assert environment['trust_backend'] is True  # of its first half


@pytest.mark.parametrize('damaged', [False, True])
def test_a_checkpoint_of_an_older_version_is_gone_on_with(straight, dataset, tmp_path, damaged):
    run_cell(CELL, tmp_path, dataset, **stop_at(32))
    for path in (tmp_path / 'checkpoints').iterdir():
        (path / 'record.json').unlink()
        manifest = json.loads((path / 'manifest.json').read_text())
        del manifest['record.json']
        (path / 'manifest.json').write_text(json.dumps(manifest))
    if damaged:
        (tmp_path / 'metrics.jsonl').write_bytes(b'\xff')
    said = []
    run_cell(CELL, tmp_path, dataset, log=said.append)
    assert bool(said) == damaged == (tmp_path / 'checkpoints.damaged').exists()
    got, expected = fingerprint(tmp_path), fingerprint(straight[0])
    assert {**got, 'steps': 0} == {**expected, 'steps': 0}


def test_a_finished_cell_is_not_run_again(straight, dataset):
    folder, result = straight
    before = (folder / 'metrics.jsonl').stat().st_mtime_ns
    assert run_cell(CELL, folder, dataset) == result
    assert (folder / 'metrics.jsonl').stat().st_mtime_ns == before


def test_a_damaged_checkpoint_costs_an_epoch_and_nothing_else(straight, dataset, tmp_path):
    run_cell(CELL, tmp_path, dataset, **stop_at(32))
    newest = max((tmp_path / 'checkpoints').iterdir(), key=lambda p: int(p.name))
    for path in newest.rglob('*'):
        if path.is_file() and path.name != 'manifest.json' and path.stat().st_size > 1000:
            path.write_bytes(path.read_bytes()[:-7])
            break
    said = []
    run_cell(CELL, tmp_path, dataset, log=said.append)
    assert 'damaged' in said[0]
    got, expected = fingerprint(tmp_path), fingerprint(straight[0])
    assert {k: v for k, v in got.items() if k != 'steps'} == {
        k: v for k, v in expected.items() if k != 'steps'
    }


def test_divergence_is_a_result(dataset, tmp_path):
    optimizer = Optimizer(name='sgd', learning_rate=1e30)
    result = run_cell(dataclasses.replace(CELL, optimizer=optimizer), tmp_path, dataset)
    assert result is not None
    assert result['status'] == 'diverged' and 'not finite at step 2' in result['message']
    assert 'accuracy' not in result
    assert json.loads((tmp_path / 'result.json').read_text()) == result


def test_bfloat16_computes_in_it_and_keeps_float32_parameters(dataset, tmp_path):
    cell = dataclasses.replace(CELL, precision='bfloat16', epochs=1)
    setup = make_setup(_Same(cell), dataset.image_shape, dataset.num_classes, (0.5,), (0.25,), 10)
    state = create_state(setup.classifier, setup.optimizer, jax.random.key(0), dataset.image_shape)
    assert {leaf.dtype for leaf in jax.tree.leaves(state.params)} == {jnp.dtype('float32')}
    images = jnp.asarray(dataset.train.images[:16])
    text = str(jax.make_jaxpr(setup.classifier.logits)(state.variables, images))
    assert 'conv_general_dilated' in text and ':bf16[16,' in text
    result = run_cell(cell, tmp_path, dataset)
    assert result is not None and result['status'] == 'completed'


def test_validation_keeps_its_images_out_of_training(dataset, tmp_path):
    cell = dataclasses.replace(CELL, validation_fraction=0.25, epochs=1)
    run_cell(cell, tmp_path, dataset)
    row = json.loads((tmp_path / 'metrics.jsonl').read_text())
    assert row['split'] == 'validation'
    assert row['step'] == round(0.75 * len(dataset.train.labels)) // 16


@pytest.mark.parametrize(
    'values, said',
    [
        ({'batch_size': 10_000}, 'batch_size 10000 is larger than the .* training images'),
        ({'strategy': Max(window=20)}, 'pool2'),
        ({'evaluation': Evaluation(max_shift=28)}, 'must be below the image side'),
        ({'augment': Augment(crop=28)}, 'augment.crop 28 must be below the image side 28'),
        ({'evaluation': Evaluation(batch_size=251)}, 'at most 250, which is enough for the 64'),
        ({'epochs': 2**28}, 'more than 2.*31 - 1 steps'),
        (
            {'optimizer': Optimizer(schedule='warmup_cosine', warmup_epochs=9.0)},
            'warmup_epochs must be below',
        ),
    ],
)
def test_what_cannot_run_is_refused_beforehand(dataset, values, said):
    with pytest.raises(BadInput, match=said):
        check_cell(dataclasses.replace(CELL, **values), dataset)


def test_other_data_under_the_same_name_is_refused(dataset, tmp_path):
    run_cell(CELL, tmp_path, dataset, **stop_at(1))
    brighter = Split(dataset.train.images | 1, dataset.train.labels)
    with pytest.raises(BadInput, match='is not the data that .* was begun with'):
        run_cell(CELL, tmp_path, dataclasses.replace(dataset, train=brighter))
