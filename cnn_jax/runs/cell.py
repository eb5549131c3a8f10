"""One training run in its folder: train, evaluate, checkpoint, and go on where it was cut off.

What a cell computes is a function of its config and the machine: a run that was killed and resumed
leaves the same bytes as one that was not, but for `timing.jsonl`, `environment.json`, the seconds
and speed in `result.json`, the digests of these three, and which checkpoints were kept.
"""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.checksums import write_result
from cnn_jax.data import Dataset, Split
from cnn_jax.errors import BadInput
from cnn_jax.evaluation import accuracy, mean_loss, predict_logits, predictor
from cnn_jax.files import json_bytes, read_json, write_atomically
from cnn_jax.models import Classifier
from cnn_jax.runs.checkpoint import restore_checkpoint, save_checkpoint
from cnn_jax.runs.config import Cell
from cnn_jax.runs.environment import describe_environment
from cnn_jax.runs.final import final_evaluation
from cnn_jax.runs.finished import CHECKPOINTS, finished_result, forget_failure
from cnn_jax.runs.folder import locked
from cnn_jax.runs.journal import ENVIRONMENT, Journal, open_journal, with_record
from cnn_jax.runs.metrics_log import finite_or_none
from cnn_jax.runs.setup import Setup, last_step, setup_of, splits
from cnn_jax.runs.values import cell_from_dict, config_to_dict, hash_of_values
from cnn_jax.training import (
    EpochSums,
    TrainState,
    create_state,
    train_epoch,
    zero_sums,
)
from cnn_jax.training.batches import epoch_order, steps_per_epoch

CONFIG, PREDICTIONS = 'config.json', 'predictions.npz'
Progress = tuple[TrainState, EpochSums]
_ORPHAN_SECONDS = 20.0  # how long the worker of a killed run may still hold its cell


def run_cell(
    cell: Cell,
    folder: Path,
    dataset: Dataset,
    *,
    trust_backend: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[int], None] = lambda steps: None,
    log: Callable[[str], None] = lambda line: None,
) -> dict | None:
    """Runs or resumes the cell in `folder`; returns its result, or None if `stop()` ended it.

    `tick(steps)` reports progress, including steps done before a resume. `trust_backend` is only
    recorded: it says that the backend's numbers were not checked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait_seconds=_ORPHAN_SECONDS):
        finished = finished_result(folder, last_step(cell, dataset), log=log)
        if finished is not None:
            return finished
        forget_failure(folder)
        train, held_out, split = splits(cell, dataset)
        setup = setup_of(cell, dataset)
        (state, sums), record = _restored(setup, cell, folder, dataset, log)
        if int(state.step) == 0:
            _check_start(setup, cell, dataset, state)
        journal = open_journal(folder, record, dataset, trust_backend=trust_backend)
        files = {CONFIG: _config(cell, folder), ENVIRONMENT: _environment(journal)}
        for name, content in files.items():
            write_atomically(folder / name, content)
        outcome, state = _train(
            setup, cell, folder, journal, train, held_out, split, state, sums, stop=stop, tick=tick
        )
        if outcome == 'stopped':
            return None
        result = {
            'status': 'completed' if outcome == 'finished' else 'diverged',
            'step': int(state.step),
            'parameters': setup.parameters,
            'flops_per_example': setup.flops,
            'activation_bytes': setup.activation_bytes,
            **journal.speed(),
        }
        files |= journal.files()
        if outcome == 'finished':
            figures, files[PREDICTIONS] = final_evaluation(
                setup.classifier, cell, dataset.test, state
            )
            result |= figures
        else:
            result['message'] = f'the loss was not finite at step {int(state.step)}'
        result = {key: finite_or_none(value) for key, value in result.items()}
        return write_result(folder, result, files)


def trained(
    cell: Cell, folder: Path, dataset: Dataset, *, log: Callable[[str], None]
) -> tuple[Classifier, Mapping]:
    """The classifier of a cell that ran in `folder`, and its variables after its last step.

    Raises BadInput where there is no intact checkpoint; `log` hears of damaged ones.
    """
    setup = setup_of(cell, dataset)
    key = jax.random.key(cell.seed)
    like = (create_state(setup.classifier, setup.optimizer, key, dataset.image_shape), zero_sums())
    found = restore_checkpoint(folder / CHECKPOINTS, like, warn=log)
    last = last_step(cell, dataset)
    if found is None or found.step != last:
        raise BadInput(
            f'no intact checkpoint of the last step ({last}) in {folder}: move this folder '
            f'away and run the comparison again, to train this cell anew.'
        )
    return setup.classifier, found.tree[0].variables


def _check_start(setup: Setup, cell: Cell, dataset: Dataset, state: TrainState) -> None:
    """Raises BadInput if the user's own model or strategy gives non-finite numbers."""
    own = [part for part in (cell.model, type(cell.strategy)) if callable(part)]
    names = [part.__name__ for part in own if not part.__module__.startswith('cnn_jax.')]
    if not names:
        return
    logits = setup.classifier.logits(state.variables, jnp.asarray(dataset.train.images[:2]))
    if not bool(jnp.isfinite(logits).all()):
        raise BadInput(
            f'{" with ".join(names)}: logits are not finite before the first step; '
            f'cnn_jax.inspection.layer_outputs names the layer where that starts.'
        )


def _config(cell: Cell, folder: Path) -> bytes:
    """The cell's config; one of an older version stays in its fields, which name the folder."""
    try:
        values = read_json(folder / CONFIG)
        if hash_of_values(values) == folder.name and cell_from_dict(values) == cell:
            return json_bytes(values)
    except BadInput:  # not there, damaged, or of another cell: written anew
        pass
    return json_bytes(config_to_dict(cell))


def _environment(journal: Journal) -> bytes:
    what_ran = {
        'data_fingerprint': journal.data_fingerprint,
        'trust_backend': journal.trust_backend,
    }
    return json_bytes({**describe_environment(), **what_ran})


def _restored(
    setup: Setup, cell: Cell, folder: Path, dataset: Dataset, log: Callable[[str], None]
) -> tuple[Progress, Mapping]:
    """Where the cell's newest intact checkpoint stands and its record, or a fresh start and {}."""
    key = jax.random.key(cell.seed)
    fresh = (create_state(setup.classifier, setup.optimizer, key, dataset.image_shape), zero_sums())
    found = restore_checkpoint(folder / CHECKPOINTS, fresh, warn=log)
    if found is not None:
        found = with_record(found, folder, last_step(cell, dataset) // cell.epochs, log)
    return (fresh, {}) if found is None else (found.tree, found.record)


def _train(
    setup: Setup,
    cell: Cell,
    folder: Path,
    journal: Journal,
    train: Split,
    held_out: Split,
    split: str,
    state: TrainState,
    sums: EpochSums,
    *,
    stop: Callable[[], bool],
    tick: Callable[[int], None],
) -> tuple[str, TrainState]:
    images, labels = jnp.asarray(train.images), jnp.asarray(train.labels)
    key = jax.random.key(cell.seed)
    steps = steps_per_epoch(len(train), cell.batch_size)
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
        journal.timing.append({'step': int(state.step), **clock.row()})
        if outcome == 'finished':
            journal.metrics.append(_epoch_row(setup, cell, epoch, sums, state, held_out, split))
            sums = zero_sums()
        save_checkpoint(
            folder / CHECKPOINTS, (state, sums), step=int(state.step), record=journal.record()
        )
        if outcome == 'stopped':
            return outcome, state
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
    held_out: Split,
    split: str,
) -> dict:
    predict = predictor(setup.classifier, state.variables)
    logits = predict_logits(predict, held_out.images, batch_size=cell.evaluation.batch_size)
    return {
        'epoch': epoch + 1,
        'step': int(state.step),
        'learning_rate': _learning_rate(setup, int(state.step) - 1),
        'train_loss': float(sums.loss) / int(sums.count),
        'train_accuracy': int(sums.correct) / int(sums.count),
        'split': split,
        'loss': mean_loss(logits, held_out.labels),
        'accuracy': accuracy(logits, held_out.labels),
    }


def _learning_rate(setup: Setup, step: int) -> float | None:
    return None if setup.schedule is None else float(np.asarray(setup.schedule(step)))


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
