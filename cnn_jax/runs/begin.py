"""Starts or resumes a cell: its folder, its newest checkpoint, its log."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput
from cnn_jax.files import json_bytes, read_json, remove_leftovers, write_atomically
from cnn_jax.runs.checkpoint import restore_checkpoint
from cnn_jax.runs.config import Cell
from cnn_jax.runs.environment import describe_environment
from cnn_jax.runs.finished import CHECKPOINTS, forget_failure
from cnn_jax.runs.journal import ENVIRONMENT, Journal, open_journal, with_record
from cnn_jax.runs.setup import Setup, last_step, setup_of
from cnn_jax.runs.values import cell_from_dict, config_to_dict, hash_of_values
from cnn_jax.training import EpochSums, TrainState, create_state, zero_sums

CONFIG = 'config.json'
Progress = tuple[TrainState, EpochSums]


@dataclass(frozen=True)
class Run:
    """A running cell in its folder.

    Attributes:
        files: The files that are written before its first step, by name.
    """

    cell: Cell
    folder: Path
    setup: Setup
    journal: Journal
    files: Mapping[str, bytes]
    state: TrainState
    sums: EpochSums


def begun(
    cell: Cell, folder: Path, dataset: Dataset, *, trust_backend: bool, log: Callable[[str], None]
) -> Run:
    """The cell at its newest intact checkpoint, or before its first step.

    Raises BadInput where the checkpoint is of different data, and where the user's own model or
    strategy gives non-finite numbers. The caller holds the folder's lock.
    """
    remove_leftovers(folder)
    forget_failure(folder)
    setup = setup_of(cell, dataset)
    (state, sums), record = _restored(setup, cell, folder, dataset, log)
    if int(state.step) == 0:
        _check_start(setup, cell, dataset, state)
    journal = open_journal(folder, record, dataset, trust_backend=trust_backend)
    files = {CONFIG: _config(cell, folder), ENVIRONMENT: _environment(journal)}
    for name, content in files.items():
        write_atomically(folder / name, content)
    return Run(cell, folder, setup, journal, files, state, sums)


def _restored(
    setup: Setup, cell: Cell, folder: Path, dataset: Dataset, log: Callable[[str], None]
) -> tuple[Progress, Mapping]:
    """The state and record of the cell's newest intact checkpoint, or a fresh start and {}."""
    key = jax.random.key(cell.seed)
    fresh = (create_state(setup.classifier, setup.optimizer, key, dataset.image_shape), zero_sums())
    found = restore_checkpoint(folder / CHECKPOINTS, fresh, warn=log)
    if found is not None:
        found = with_record(found, folder, last_step(cell, dataset) // cell.epochs, log)
    return (fresh, {}) if found is None else (found.tree, found.record)


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
    """The cell's config; an older version's keeps its fields, which the folder's name hashes."""
    try:
        values = read_json(folder / CONFIG)
        if hash_of_values(values) == folder.name and cell_from_dict(values) == cell:
            return json_bytes(values)
    except BadInput:  # missing, damaged, or of another cell: written again
        pass
    return json_bytes(config_to_dict(cell))


def _environment(journal: Journal) -> bytes:
    what_ran = {
        'data_fingerprint': journal.data_fingerprint,
        'trust_backend': journal.trust_backend,
    }
    return json_bytes({**describe_environment(), **what_ran})
