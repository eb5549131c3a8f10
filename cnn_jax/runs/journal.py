"""A cell's log so far, kept in memory, in its files and in every checkpoint."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cnn_jax.data import Dataset
from cnn_jax.errors import Damaged, require
from cnn_jax.files import read_json
from cnn_jax.runs.checkpoint import Checkpoint, free_name
from cnn_jax.runs.finished import CHECKPOINTS
from cnn_jax.runs.metrics_log import Log, read_rows

METRICS, TIMING, ENVIRONMENT = 'metrics.jsonl', 'timing.jsonl', 'environment.json'


@dataclass(frozen=True)
class Journal:
    """Attributes:
    metrics: A row for each epoch.
    timing: A row for each stretch of training that ended at a checkpoint.
    data_fingerprint: Of the data on which all of it was trained.
    trust_backend: Whether any part of it ran without the check of the backend.
    """

    metrics: Log
    timing: Log
    data_fingerprint: str
    trust_backend: bool

    def record(self) -> dict[str, Any]:
        """What a checkpoint stores of it."""
        return {
            'metrics': self.metrics.rows,
            'timing': self.timing.rows,
            'data_fingerprint': self.data_fingerprint,
            'trust_backend': self.trust_backend,
        }

    def files(self) -> dict[str, bytes]:
        """The logs that were started, and their contents."""
        return {log.path.name: log.content() for log in (self.metrics, self.timing) if log.rows}

    def speed(self) -> dict[str, float | None]:
        """Images per second (the median over stretches) and seconds in total."""
        rows = self.timing.rows
        if not rows:
            return {'examples_per_second': None, 'seconds': None}
        return {
            'examples_per_second': statistics.median(row['examples_per_second'] for row in rows),
            'seconds': round(sum(row['seconds'] for row in rows), 3),
        }


def open_journal(
    folder: Path, record: Mapping[str, Any], dataset: Dataset, *, trust_backend: bool
) -> Journal:
    """The journal of a cell that starts, or resumes from a checkpoint with that record.

    Raises BadInput where the data is not that of the checkpoint.
    """
    require(
        record.get('data_fingerprint') in (None, dataset.fingerprint),
        f'{dataset.name} is not the data that {folder} was begun with: '
        f'give another --output, or put the old data back.',
    )
    return Journal(
        Log(folder / METRICS, record.get('metrics', ())),
        Log(folder / TIMING, record.get('timing', ())),
        dataset.fingerprint,
        trust_backend or bool(record.get('trust_backend')),
    )


def with_record(
    found: Checkpoint, folder: Path, steps_per_epoch: int, log: Callable[[str], None]
) -> Checkpoint | None:
    """A checkpoint of an older version, without a record, completed from the files beside it.

    If the log does not reach the checkpoint, returns None and moves the checkpoints away.
    """
    if found.record:
        return found
    metrics, timing = (
        [row for row in read_rows(folder / name) if row['step'] <= found.step]
        for name in (METRICS, TIMING)
    )
    if len(metrics) < found.step // steps_per_epoch:
        aside = free_name(folder / f'{CHECKPOINTS}.damaged')
        (folder / CHECKPOINTS).rename(aside)
        log(f'{folder / METRICS} is damaged: starting this cell over; its checkpoints: {aside}')
        return None
    record = {'metrics': metrics, 'timing': timing, 'data_fingerprint': _fingerprint(folder)}
    return replace(found, record=record)


def _fingerprint(folder: Path) -> str | None:
    try:
        return read_json(folder / ENVIRONMENT).get('data_fingerprint')
    except Damaged:
        return None
