"""One training run in its folder: train, evaluate, checkpoint, and resume after an interruption.

What a cell computes is a function of its config and the machine: a run that was killed and resumed
leaves the same bytes as an uninterrupted one, except for `timing.jsonl`, `environment.json`, the
seconds and speed in `result.json`, the digests of these three, and which checkpoints were kept.
Where several seeds are trained together, rounding depends on how many: see
`cnn_jax.runs.together`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import jax

from cnn_jax.checksums import write_result
from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput
from cnn_jax.models import Classifier
from cnn_jax.runs.begin import begun
from cnn_jax.runs.checkpoint import restore_checkpoint
from cnn_jax.runs.config import Cell
from cnn_jax.runs.epochs import train
from cnn_jax.runs.final import final_evaluation
from cnn_jax.runs.finished import CHECKPOINTS, finished_result
from cnn_jax.runs.folder import locked
from cnn_jax.runs.metrics_log import finite_or_none
from cnn_jax.runs.setup import last_step, setup_of
from cnn_jax.training import create_state, zero_sums

PREDICTIONS = 'predictions.npz'
ORPHAN_SECONDS = 20.0  # how long a killed run's worker may still hold its cell


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
    recorded: it means that the backend's numbers were not checked. Raises InUse where another
    process runs the cell.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait_seconds=ORPHAN_SECONDS, log=log):
        finished = finished_result(folder, last_step(cell, dataset), log=log)
        if finished is not None:
            return finished
        run = begun(cell, folder, dataset, trust_backend=trust_backend, log=log)
        setup, journal = run.setup, run.journal
        ((outcome, state),) = train([run], dataset, stop=stop, tick=tick)
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
        files = {**run.files, **journal.files()}
        if outcome == 'finished':
            figures, files[PREDICTIONS] = final_evaluation(setup.classifier, cell, dataset, state)
            result |= figures
        else:
            result['message'] = f'the loss was not finite at step {int(state.step)}'
        result = {key: finite_or_none(value) for key, value in result.items()}
        return write_result(folder, result, files)


def trained(
    cell: Cell, folder: Path, dataset: Dataset, *, log: Callable[[str], None]
) -> tuple[Classifier, Mapping]:
    """The classifier of a cell that ran in `folder`, and its variables after its last step.

    Raises BadInput where there is no intact checkpoint; damaged ones are reported to `log`.
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
