"""Workers that die, hang or refuse: the parent always ends soon."""

import os
import time

import pytest

from cnn_jax.data import make_shapes
from cnn_jax.errors import BadInput, Interrupted, InUse
from cnn_jax.runs import Cell, parallel, process
from cnn_jax.strategies import Max
from tests.runs import fake_workers

DATASET = make_shapes(train=8, test=8)
CELLS = {('max', seed): Cell(strategy=Max(), seed=seed, data='shapes_tiny') for seed in (0, 1)}


def run(monkeypatch, tmp_path, work, **options):
    monkeypatch.setattr(parallel, 'work', work)
    heard = []
    events = parallel.Events(
        tick=lambda key, steps: heard.append((key, steps)),
        log=heard.append,
        finished=lambda key, result: heard.append(key),
    )
    folders = dict.fromkeys(CELLS, tmp_path)
    return parallel.run_cells(CELLS, folders, DATASET, events, workers=2, **options)


def test_a_killed_worker_ends_the_run_though_another_hangs(monkeypatch, tmp_path):
    monkeypatch.setattr(parallel, '_LAST_WORDS', 0.5)
    start = time.monotonic()
    with pytest.raises(Interrupted, match='a worker process died'):
        run(monkeypatch, tmp_path, fake_workers.killed_beside_one_that_hangs)
    assert time.monotonic() - start < 90  # mostly the imports of the two processes


def test_a_worker_killed_in_the_middle_of_a_message_and_the_other_saves(monkeypatch, tmp_path):
    with pytest.raises(Interrupted, match='a worker process died'):
        run(monkeypatch, tmp_path, fake_workers.killed_in_the_middle_of_a_message)
    assert (tmp_path / 'saved').exists()


def test_what_no_cell_can_help_is_bad_input(monkeypatch, tmp_path):
    with pytest.raises(BadInput, match='^the disk is full$'):
        run(monkeypatch, tmp_path, fake_workers.refuses)


def test_a_cell_that_another_process_runs_is_not_bad_input(monkeypatch, tmp_path):
    with pytest.raises(InUse, match='^cells/a is in use by process 7$'):
        run(monkeypatch, tmp_path, fake_workers.finds_its_cell_in_use)


def test_a_cell_that_cannot_be_sent_is_bad_input(monkeypatch, tmp_path, unchecked):
    class Mine(Max):
        pass

    cells = {('mine', 0): Cell(strategy=Mine(), seed=0)}
    monkeypatch.setattr(parallel, 'work', fake_workers.holds_its_core)
    events = parallel.Events(tick=print, log=print, finished=print)
    with pytest.raises(BadInput, match='mine cannot be given to a worker .* top level of'):
        parallel.run_cells(cells, {('mine', 0): tmp_path}, DATASET, events, workers=1)


@pytest.mark.parametrize(
    'gpus, variables', [('0,5', ['0 -', '5 -']), ('5', ['5 0.45', '5 0.45']), ('', [' -', ' -'])]
)
def test_workers_share_the_gpus_and_their_memory(monkeypatch, tmp_path, gpus, variables):
    monkeypatch.setattr(process, 'has_accelerator', lambda: bool(gpus))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', gpus)
    results = run(monkeypatch, tmp_path, fake_workers.tells_its_gpu)
    assert sorted(result['gpu'] for result in results.values()) == variables
    assert os.environ['CUDA_VISIBLE_DEVICES'] == gpus  # the parent's own stays


@pytest.mark.parametrize(
    'chosen, gpus', [(None, ['0', '1']), ('3', ['3']), ('1,-1,0', ['1']), ('', []), ('-1', [])]
)
def test_gpus_are_what_cuda_would_find(monkeypatch, chosen, gpus):
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    if chosen is not None:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', chosen)
    monkeypatch.delenv('JAX_PLATFORMS', raising=False)
    monkeypatch.setattr(process, '_installed', lambda name: True)
    files = {'nvidia[0-9]*': [process.Path('/dev/nvidia3'), process.Path('/dev/nvidia5')]}
    monkeypatch.setattr(process.Path, 'glob', lambda path, pattern: files.get(pattern, []))
    assert process.visible_gpus() == gpus
    assert process.has_accelerator() == bool(gpus)


def test_a_gpu_each_unless_the_user_says_how_many_workers(monkeypatch):
    monkeypatch.setattr(parallel, 'has_accelerator', lambda: True)
    for gpus, workers in (([], 1), (['0'], 1), (['0', '1'], 2), (list('01234567'), 2)):
        monkeypatch.setattr(parallel, 'visible_gpus', lambda gpus=gpus: gpus)
        assert parallel.worker_count(CELLS) == workers


def test_two_comparisons_take_different_cores_while_there_are_any(monkeypatch):
    first = 100_000 + 10 * os.getpid()  # no core of that name is held by a run beside this test
    names = list(range(first, first + 4))
    monkeypatch.setattr(process, 'usable_cores', lambda: names)
    with process.reserved_cores(1, 1) as one, process.reserved_cores(2, 1) as two:
        assert one == [[names[0]]] and two == [[names[1]], [names[2]]]
        with process.reserved_cores(1, 2) as shared:
            assert shared == [[names[3], names[0]]]
    with process.reserved_cores(2, 2) as all_of_them:
        assert all_of_them == [names[:2], names[2:]]
