"""One training run in its folder: train, evaluate, checkpoint, and go on where it was cut off.

Everything in the folder but `timing.jsonl` and `environment.json` is a function of the config and
the machine: a run that was killed and resumed leaves the same bytes as one that was not.
"""

import functools
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from cnn_jax.data import Dataset, Split, channel_statistics, split_validation
from cnn_jax.data.batches import epoch_order
from cnn_jax.errors import require
from cnn_jax.evaluation import (
    accuracy,
    forward_flops,
    mean_loss,
    predict_logits,
)
from cnn_jax.files import read_json, write_json
from cnn_jax.models import Classifier, build_model, check_model, count_parameters
from cnn_jax.runs.checkpoint import restore_checkpoint, save_checkpoint
from cnn_jax.runs.config import Cell, config_to_dict
from cnn_jax.runs.environment import describe_environment
from cnn_jax.runs.final import final_evaluation
from cnn_jax.runs.folder import locked
from cnn_jax.runs.metrics_log import append_row, cut_after, read_rows
from cnn_jax.training import (
    EpochSums,
    TrainState,
    create_state,
    make_optimizer,
    make_schedule,
    make_train_step,
    train_epoch,
    zero_sums,
)
from cnn_jax.training.step import TrainStep

RESULT = 'result.json'
_ORPHAN_SECONDS = 20.0  # how long the worker of a killed run may still hold its cell


@dataclass(frozen=True)
class _Setup:
    """What the cells of one strategy share, whatever their seed: compiled once."""

    classifier: Classifier
    optimizer: optax.GradientTransformation
    schedule: optax.Schedule
    step: TrainStep
    flops: float
    parameters: int


@functools.lru_cache(maxsize=32)
def _setup(
    cell: Cell,
    image_shape: tuple[int, int, int],
    num_classes: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    steps_per_epoch: int,
) -> _Setup:
    model = build_model(cell.model, downsample=cell.strategy, num_classes=num_classes)
    classifier = Classifier(model, mean, std)
    plan = {'epochs': cell.epochs, 'steps_per_epoch': steps_per_epoch}
    optimizer = make_optimizer(cell.optimizer, **plan)
    step = make_train_step(
        classifier, optimizer, augment=cell.augment, label_smoothing=cell.label_smoothing
    )
    return _Setup(
        classifier=classifier,
        optimizer=optimizer,
        schedule=make_schedule(cell.optimizer, **plan),
        step=step,
        flops=forward_flops(classifier, image_shape),
        parameters=count_parameters(check_model(model, image_shape)),
    )


def check_cell(cell: Cell, dataset: Dataset) -> None:
    """Raises BadInput where the cell cannot run on the data; computes and writes nothing."""
    model = build_model(cell.model, downsample=cell.strategy, num_classes=dataset.num_classes)
    check_model(model, dataset.image_shape)
    kept = len(dataset.train.labels) - round(cell.validation_fraction * len(dataset.train.labels))
    require(
        cell.batch_size <= kept,
        f'batch_size {cell.batch_size} is larger than the {kept} training images of '
        f'{dataset.name}: use a smaller one.',
    )
    make_schedule(cell.optimizer, epochs=cell.epochs, steps_per_epoch=kept // cell.batch_size)
    side = min(dataset.image_shape[:2])
    require(
        cell.evaluation.max_shift < side,
        f'evaluation.max_shift {cell.evaluation.max_shift} must be below the image side {side}.',
    )


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
        environment = {**describe_environment(), 'data_fingerprint': dataset.fingerprint}
        write_json(folder / 'environment.json', environment)
        if cell.validation_fraction:
            train, judge = split_validation(
                dataset.train, fraction=cell.validation_fraction, seed=cell.seed
            )
            split = 'validation'
        else:
            train, judge, split = dataset.train, dataset.test, 'test'
        setup = _setup(
            replace(cell, seed=0),
            dataset.image_shape,
            dataset.num_classes,
            *channel_statistics(train.images),
            len(train.labels) // cell.batch_size,
        )
        state, sums = _restored(setup, cell, folder, dataset.image_shape, log)
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


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _restored(
    setup: _Setup,
    cell: Cell,
    folder: Path,
    image_shape: tuple[int, int, int],
    log: Callable[[str], None],
) -> tuple[TrainState, EpochSums]:
    key = jax.random.key(cell.seed)
    fresh = (create_state(setup.classifier, setup.optimizer, key, image_shape), zero_sums())
    restored = restore_checkpoint(folder / 'checkpoints', fresh, warn=log)
    if restored is None:
        cut_after(folder / 'metrics.jsonl', 0)
        return fresh
    tree, step = restored
    cut_after(folder / 'metrics.jsonl', step)
    return tree


def _train(
    setup: _Setup,
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
        if outcome == 'stopped':
            save_checkpoint(folder / 'checkpoints', (state, sums), step=int(state.step))
            return outcome, state
        append_row(folder / 'timing.jsonl', {'epoch': epoch + 1, **clock.row()})
        row = _epoch_row(setup, cell, epoch, sums, state, judge, split)
        append_row(folder / 'metrics.jsonl', row)
        sums = zero_sums()
        save_checkpoint(folder / 'checkpoints', (state, sums), step=int(state.step))
        if stop():
            return 'stopped', state
    return 'finished', state


def _all_finite(state: TrainState) -> bool:
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.variables))


def _epoch_row(
    setup: _Setup,
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
    rows = read_rows(folder / 'timing.jsonl')
    if not rows:
        return {'examples_per_second': None, 'seconds': None}
    return {
        'examples_per_second': statistics.median(row['examples_per_second'] for row in rows),
        'seconds': round(sum(row['seconds'] for row in rows), 3),
    }
