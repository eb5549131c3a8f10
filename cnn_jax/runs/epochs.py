"""Training by epochs, one run or several at once: log and checkpoint after each."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.data import Dataset, Split
from cnn_jax.evaluation import predictor
from cnn_jax.runs.begin import Run
from cnn_jax.runs.checkpoint import save_checkpoint
from cnn_jax.runs.config import Cell
from cnn_jax.runs.finished import CHECKPOINTS
from cnn_jax.runs.setup import Setup, splits
from cnn_jax.runs.tasks import task_of
from cnn_jax.training import EpochSums, TrainState, train_epoch, zero_sums
from cnn_jax.training.batches import epoch_order, steps_per_epoch
from cnn_jax.training.loop import Outcome
from cnn_jax.training.state import stacked, unstacked


def train(
    runs: Sequence[Run],
    dataset: Dataset,
    *,
    stop: Callable[[], bool],
    tick: Callable[[int], None],
) -> list[tuple[Outcome, TrainState]]:
    """Trains to the end; returns for each run why it ended, and its final state.

    Several runs are trained by one program: cells that differ only in their seed, train on all of
    the data's images, and are at the same step. If one of them diverges, the others are 'stopped'
    at their last checkpoints: XLA may compute the kernel gradients of all runs from one product
    that is zero between runs, but NaN passes through zeros, so a run that goes bad later may not be
    at fault itself. The `step` of a diverged run is that of its first non-finite loss.
    """
    cell, setup = runs[0].cell, runs[0].setup
    seen, held_out, split = splits(cell, dataset)
    images, labels = jnp.asarray(seen.images), jnp.asarray(seen.labels)
    keys = [jax.random.key(run.cell.seed) for run in runs]
    steps = steps_per_epoch(len(seen), cell.batch_size)
    parts = [(run.state, run.sums) for run in runs]
    done = int(parts[0][0].step)
    tick(done)
    for epoch in range(done // steps, cell.epochs):
        orders = [
            epoch_order(key, epoch, examples=len(seen), batch_size=cell.batch_size) for key in keys
        ]
        clock = _Clock(cell.batch_size, tick)
        state, sums, outcome = train_epoch(
            setup.step if len(runs) == 1 else setup.step_together,
            *_joined(parts),
            images=images,
            labels=labels,
            order=_joined(orders),
            key=_joined(keys),
            stop=stop,
            tick=clock,
        )
        parts = [(state, sums)] if len(runs) == 1 else unstacked((state, sums), len(runs))
        # Of a run alone that stops, the next step tells; of several, NaN may have passed to others.
        look = outcome != 'stopped' or len(runs) > 1
        bad = [_bad_step(*part) if look else 0 for part in parts]
        if any(bad):
            first = min(step for step in bad if step)
            ends: list[Outcome] = ['diverged' if step == first else 'stopped' for step in bad]
            states = [replace(s, step=jnp.int32(b)) for (s, _), b in zip(parts, bad, strict=True)]
            return list(zip(ends, states, strict=True))
        for number, (run, (state, sums)) in enumerate(zip(runs, parts, strict=True)):
            run.journal.timing.append({'step': int(state.step), **clock.row(len(runs))})
            if outcome == 'finished':
                row = _epoch_row(
                    setup, cell, epoch, sums, state, held_out, split, dataset.num_classes
                )
                run.journal.metrics.append(row)
                sums = zero_sums()
            parts[number] = state, sums
            save_checkpoint(
                run.folder / CHECKPOINTS,
                (state, sums),
                step=int(state.step),
                record=run.journal.record(),
            )
        if outcome == 'stopped' or stop():
            return [('stopped', state) for state, _ in parts]
    return [('finished', state) for state, _ in parts]


def _bad_step(state: TrainState, sums: EpochSums) -> int:
    """The first step whose loss or, at an epoch's end, whose state was not finite; 0: none."""
    bad = int(sums.first_bad_step)
    if bad >= 0:
        return bad
    finite = all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state.variables))
    return 0 if finite else int(state.step)


def _joined(trees: Sequence):
    """The tree itself, or several stacked along a leading axis of runs."""
    return trees[0] if len(trees) == 1 else stacked(trees)


def _epoch_row(
    setup: Setup,
    cell: Cell,
    epoch: int,
    sums: EpochSums,
    state: TrainState,
    held_out: Split,
    split: str,
    classes: int,
) -> dict:
    predict = predictor(setup.classifier, state.variables)
    task = task_of(cell)
    answers = task.answers(predict, held_out.images, cell.evaluation.batch_size)
    figures = task.figures(answers, held_out, classes)
    of_class = cell.task == 'classification'
    return {
        'epoch': epoch + 1,
        'step': int(state.step),
        'learning_rate': _learning_rate(setup, int(state.step) - 1),
        'train_loss': float(sums.loss) / int(sums.count),
        'train_accuracy': int(sums.correct) / int(sums.count) if of_class else None,
        'split': split,
        'loss': figures['loss'],
        'accuracy': figures['accuracy'],
    }


def _learning_rate(setup: Setup, step: int) -> float | None:
    return None if setup.schedule is None else float(np.asarray(setup.schedule(step)))


class _Clock:
    """A `tick` that also records the time between checks."""

    def __init__(self, batch_size: int, tick: Callable[[int], None]):
        self._batch_size, self._tick = batch_size, tick
        self._start = self._last = time.monotonic()
        self._rates: list[float] = []

    def __call__(self, steps: int) -> None:
        now = time.monotonic()
        self._rates.append(steps * self._batch_size / max(now - self._last, 1e-9))
        self._last = now
        self._tick(steps)

    def row(self, together: int) -> dict:
        """Seconds, and the median training speed, which the compiling first step does not affect.

        Runs that were trained together share the seconds equally.
        """
        row = {
            'seconds': round((self._last - self._start) / together, 3),
            'examples_per_second': round(statistics.median(self._rates) * together, 1),
        }
        return row if together == 1 else row | {'together': together}
