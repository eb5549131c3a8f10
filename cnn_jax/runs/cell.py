"""One training run in its folder: train, evaluate, checkpoint, and go on where it was cut off.

What a cell computes is a function of its config and the machine: a run that was killed and resumed
leaves the same bytes as one that was not, but for `timing.jsonl`, `environment.json`, the seconds
and speed in `result.json`, and which checkpoints were kept.
"""

import math
import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import Dataset, Split
from cnn_jax.data.batches import epoch_order
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import (
    accuracy,
    mean_loss,
    predict_logits,
)
from cnn_jax.files import read_json, write_json
from cnn_jax.models import Classifier
from cnn_jax.runs.checkpoint import restore_checkpoint, save_checkpoint
from cnn_jax.runs.config import Cell, config_to_dict
from cnn_jax.runs.environment import describe_environment
from cnn_jax.runs.final import final_evaluation
from cnn_jax.runs.folder import locked
from cnn_jax.runs.metrics_log import append_row, cut_after, read_rows
from cnn_jax.runs.setup import Setup, setup_of, splits, training_images
from cnn_jax.training import (
    EpochSums,
    TrainState,
    create_state,
    train_epoch,
    zero_sums,
)

RESULT, METRICS, TIMING = 'result.json', 'metrics.jsonl', 'timing.jsonl'
Progress = tuple[TrainState, EpochSums]
_ORPHAN_SECONDS = 20.0  # how long the worker of a killed run may still hold its cell


def run_cell(
    cell: Cell,
    folder: Path,
    dataset: Dataset,
    *,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[int], None] = lambda steps: None,
    log: Callable[[str], None] = lambda line: None,
) -> dict | None:
    """Runs, or goes on with, the cell in `folder`; its result, or None when `stop()` ended it.

    `tick(steps)` reports progress, steps done before a resume included.
    """
    if (folder / RESULT).exists():
        return read_json(folder / RESULT)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait_seconds=_ORPHAN_SECONDS):
        write_json(folder / 'config.json', config_to_dict(cell))
        _record_environment(folder, dataset)
        train, judge, split = splits(cell, dataset)
        steps_per_epoch = len(train.labels) // cell.batch_size
        setup = setup_of(cell, dataset)
        state, sums = _restored(setup, cell, folder, dataset.image_shape, steps_per_epoch, log)
        outcome, state = _train(
            setup, cell, folder, train, judge, split, state, sums, stop=stop, tick=tick
        )
        if outcome == 'stopped':
            return None
        result = {
            'status': 'completed' if outcome == 'finished' else 'diverged',
            'step': int(state.step),
            'parameters': setup.parameters,
            'flops_per_example': setup.flops,
            **_speed(folder),
        }
        if outcome == 'finished':
            result |= final_evaluation(setup.classifier, cell, folder, dataset.test, state)
        else:
            result['message'] = f'the loss was not finite at step {int(state.step)}'
        write_json(folder / RESULT, {k: _finite_or_none(v) for k, v in result.items()})
        return result


def trained(
    cell: Cell, folder: Path, dataset: Dataset, *, log: Callable[[str], None]
) -> tuple[Classifier, Mapping]:
    """The classifier of a cell that ran in `folder`, and its variables after its last step.

    Raises BadInput where there is no intact checkpoint; `log` hears of damaged ones.
    """
    setup = setup_of(cell, dataset)
    key = jax.random.key(cell.seed)
    like = (create_state(setup.classifier, setup.optimizer, key, dataset.image_shape), zero_sums())
    found = restore_checkpoint(folder / 'checkpoints', like, warn=log)
    last = cell.epochs * (training_images(cell, dataset) // cell.batch_size)
    if found is None or found[1] != last:
        raise BadInput(
            f'no intact checkpoint of the last step ({last}) in {folder}: delete this folder and '
            f'run the comparison again.'
        )
    (state, _), _ = found
    return setup.classifier, state.variables


def _record_environment(folder: Path, dataset: Dataset) -> None:
    path = folder / 'environment.json'
    if path.exists() and read_json(path).get('data_fingerprint') != dataset.fingerprint:
        raise BadInput(
            f'{dataset.name} is not the data that {folder} was begun with: '
            f'put the old data back, or give another --output.'
        )
    write_json(path, {**describe_environment(), 'data_fingerprint': dataset.fingerprint})


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _start_over(fresh: Progress, folder: Path) -> Progress:
    for name in (METRICS, TIMING):
        (folder / name).unlink(missing_ok=True)
    return fresh


def _restored(
    setup: Setup,
    cell: Cell,
    folder: Path,
    image_shape: tuple[int, int, int],
    steps_per_epoch: int,
    log: Callable[[str], None],
) -> Progress:
    key = jax.random.key(cell.seed)
    fresh = (create_state(setup.classifier, setup.optimizer, key, image_shape), zero_sums())
    restored = restore_checkpoint(folder / 'checkpoints', fresh, warn=log)
    if restored is None:
        return _start_over(fresh, folder)
    tree, step = restored
    rows = cut_after(folder / METRICS, step)
    cut_after(folder / TIMING, step)
    if len(rows) < step // steps_per_epoch:
        log(f'{folder / METRICS} is damaged: starting this cell over')
        shutil.rmtree(folder / 'checkpoints')
        return _start_over(fresh, folder)
    return tree


def _train(
    setup: Setup,
    cell: Cell,
    folder: Path,
    train: Split,
    judge: Split,
    split: str,
    state: TrainState,
    sums: EpochSums,
    *,
    stop: Callable[[], bool],
    tick: Callable[[int], None],
) -> tuple[str, TrainState]:
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    key = jax.random.key(cell.seed)
    steps = len(train.labels) // cell.batch_size
    tick(int(state.step))
    for epoch in range(int(state.step) // steps, cell.epochs):
        order = epoch_order(key, epoch, examples=len(train.labels), batch_size=cell.batch_size)
        clock = _Clock(cell.batch_size, tick)
        state, sums, outcome = train_epoch(
            setup.step,
            state,
            sums,
            images=images,
            labels=labels,
            order=order,
            key=key,
            stop=stop,
            tick=clock,
        )
        if outcome == 'finished' and not _all_finite(state):
            outcome = 'diverged'
        if outcome == 'diverged':
            bad = int(sums.first_bad_step)
            return outcome, replace(state, step=jnp.int32(bad if bad >= 0 else state.step))
        append_row(folder / TIMING, {'step': int(state.step), **clock.row()})
        if outcome == 'stopped':
            save_checkpoint(folder / 'checkpoints', (state, sums), step=int(state.step))
            return outcome, state
        row = _epoch_row(setup, cell, epoch, sums, state, judge, split)
        append_row(folder / METRICS, row)
        sums = zero_sums()
        save_checkpoint(folder / 'checkpoints', (state, sums), step=int(state.step))
        if stop():
            return 'stopped', state
    return 'finished', state


def _all_finite(state: TrainState) -> bool:
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.variables))


def _epoch_row(
    setup: Setup,
    cell: Cell,
    epoch: int,
    sums: EpochSums,
    state: TrainState,
    judge: Split,
    split: str,
) -> dict:
    logits = predict_logits(
        setup.classifier, state.variables, judge.images, batch_size=cell.evaluation.batch_size
    )
    return {
        'epoch': epoch + 1,
        'step': int(state.step),
        'learning_rate': float(np.asarray(setup.schedule(int(state.step) - 1))),
        'train_loss': float(sums.loss) / int(sums.count),
        'train_accuracy': int(sums.correct) / int(sums.count),
        'split': split,
        'loss': mean_loss(logits, judge.labels),
        'accuracy': accuracy(logits, judge.labels),
    }


class _Clock:
    """A `tick` that also keeps the time between looks."""

    def __init__(self, batch_size: int, tick: Callable[[int], None]):
        self._batch_size, self._tick = batch_size, tick
        self._start = self._last = time.monotonic()
        self._rates: list[float] = []

    def __call__(self, steps: int) -> None:
        now = time.monotonic()
        self._rates.append(steps * self._batch_size / max(now - self._last, 1e-9))
        self._last = now
        self._tick(steps)

    def row(self) -> dict:
        """Seconds, and the median training speed: the compiling first look does not move it."""
        return {
            'seconds': round(self._last - self._start, 3),
            'examples_per_second': round(statistics.median(self._rates), 1),
        }


def _speed(folder: Path) -> dict:
    rows = read_rows(folder / TIMING)
    if not rows:
        return {'examples_per_second': None, 'seconds': None}
    return {
        'examples_per_second': statistics.median(row['examples_per_second'] for row in rows),
        'seconds': round(sum(row['seconds'] for row in rows), 3),
    }
