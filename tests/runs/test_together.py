"""Seeds trained by one program against the same seeds alone: results, stops, divergence."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.data import Split, load
from cnn_jax.runs import Comparison, Evaluation, together
from cnn_jax.runs.begin import begun
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.comparison import run_comparison
from cnn_jax.runs.config import cells_of
from cnn_jax.runs.epochs import train
from cnn_jax.runs.together import groups, train_together
from cnn_jax.strategies import Avg, GeM, Max
from cnn_jax.training import Optimizer
from cnn_jax.training.augment import Augment

CONFIG = Comparison(
    strategies={'gem': GeM(), 'max': Max()},
    baseline='max',
    seeds=(0, 1, 5),
    data='shapes_tiny',
    image_size=(14, 14),
    epochs=2,
    batch_size=4,
    optimizer=Optimizer(name='sgd', learning_rate=0.005),
    augment=Augment(crop=2, flip=True),
    evaluation=Evaluation(max_shift=1, worst_case_images=4, maps=1, batch_size=40),
)
CELLS = [cell for (name, _), cell in cells_of(CONFIG).items() if name == 'gem']


LAST = 24  # step


@pytest.fixture(scope='module')
def dataset():
    """Small, with 12 steps an epoch: on a CPU, gradients of grouped convolutions are slow."""
    whole = load('shapes_tiny', image_size=(14, 14), log=lambda line: None)
    few = Split(whole.train.images[:48], whole.train.labels[:48])
    return dataclasses.replace(whole, train=few)


def pairs(folder):
    return [(cell, folder / str(cell.seed)) for cell in CELLS]


def states(folder, dataset):
    runs = [begun(*pair, dataset, trust_backend=True, log=print) for pair in pairs(folder)]
    return [(run.state, run.sums) for run in runs]


@pytest.fixture(scope='module')
def trained(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp('together')
    train_together(pairs(folder), dataset)
    return folder


def test_each_seed_is_trained_as_if_it_were_alone(trained, dataset, tmp_path):
    for cell, folder in pairs(trained):
        alone = run_cell(cell, tmp_path / str(cell.seed), dataset)
        ticks = []
        result = run_cell(cell, folder, dataset, tick=ticks.append)
        assert result is not None and alone is not None
        assert ticks == [result['step']]  # nothing was left to train
        assert set(result) == set(alone)
        np.testing.assert_allclose(result['loss'], alone['loss'], rtol=1e-3)
        rows, rows_alone = (
            [json.loads(line) for line in (path / 'metrics.jsonl').read_text().splitlines()]
            for path in (folder, tmp_path / str(cell.seed))
        )
        assert [set(row) for row in rows] == [set(row) for row in rows_alone]
        for row, row_alone in zip(rows, rows_alone, strict=True):
            np.testing.assert_allclose(row['train_loss'], row_alone['train_loss'], rtol=1e-4)
        timing = [json.loads(line) for line in (folder / 'timing.jsonl').read_text().splitlines()]
        assert [row['together'] for row in timing] == [3, 3]
    different = [states(folder, dataset) for folder in (trained, tmp_path)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), *different)


def test_a_stop_loses_nothing(trained, dataset, tmp_path):
    done = {}

    def tick(index, steps):
        done[index] = done.get(index, 0) + steps

    stop = {'stop': lambda: done.get(0, 0) >= 20, 'tick': tick}
    train_together(pairs(tmp_path), dataset, **stop)
    assert done == {0: 22, 1: 22, 2: 22}
    train_together(pairs(tmp_path), dataset)
    jax.tree.map(np.testing.assert_array_equal, states(tmp_path, dataset), states(trained, dataset))


def test_seeds_at_different_steps_go_on_without_each_other(trained, dataset, tmp_path):
    done = [0]
    stop = {'stop': lambda: done[0] >= 10, 'tick': lambda steps: done.append(done.pop() + steps)}
    (first, folder), *_ = pairs(tmp_path)
    run_cell(first, folder, dataset, **stop)
    train_together(pairs(tmp_path), dataset)
    steps = [int(state.step) for state, _ in states(tmp_path, dataset)]
    assert steps == [10, LAST, LAST]


def with_nan(run):
    params = jax.tree.map(lambda leaf: leaf * jnp.nan, run.state.params)
    return dataclasses.replace(run, state=dataclasses.replace(run.state, params=params))


def test_one_that_diverges_does_not_stop_the_others(dataset, tmp_path, monkeypatch):
    def one_is_bad(cell, folder, *arguments, **options):
        run = begun(cell, folder, *arguments, **options)
        return with_nan(run) if cell.seed == 1 else run

    monkeypatch.setattr(together, 'begun', one_is_bad)
    train_together(pairs(tmp_path), dataset)
    assert [int(state.step) for state, _ in states(tmp_path, dataset)] == [LAST, 0, LAST]


def test_what_diverged_is_said_of_each(dataset, tmp_path):
    runs = []
    for cell, folder in pairs(tmp_path):
        folder.mkdir()
        run = begun(cell, folder, dataset, trust_backend=True, log=print)
        runs.append(with_nan(run) if cell.seed == 5 else run)
    ends = train(runs, dataset, stop=lambda: False, tick=lambda steps: None)
    assert [outcome for outcome, _ in ends] == ['stopped', 'stopped', 'diverged']
    assert int(ends[2][1].step) == 1


def test_groups_differ_in_their_seed_alone():
    def sizes(most, **changes):
        return [
            len(keys) for keys in groups(cells_of(dataclasses.replace(CONFIG, **changes)), most)
        ]

    assert sizes(1) == [1] * 6
    assert sizes(2) == [2, 2, 1, 1]
    assert sizes(16) == [3, 3]
    assert sizes(16, validation_fraction=0.25) == [1] * 6
    assert sizes(16, learning_rates={'max': 0.1}, strategies={'max': Max(), 'avg': Avg()}) == [3, 3]


def test_worker_processes_train_together(dataset, tmp_path):
    run = dataclasses.replace(CONFIG, epochs=1, strategies={'max': Max()})
    assert run_comparison(run, tmp_path, dataset, together=2, trust_backend=True) == {}
    rows = [json.loads(path.read_text()) for path in tmp_path.glob('cells/*/timing.jsonl')]
    assert sorted(row.get('together', 1) for row in rows) == [1, 2, 2]
    assert len(list(tmp_path.glob('cells/*/result.json'))) == 3
