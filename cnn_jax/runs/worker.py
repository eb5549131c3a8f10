"""What runs in a worker process: one cell after the other, as its parent gives them."""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from pathlib import Path
from typing import Any

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, disk_error, one_line
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.config import Cell
from cnn_jax.runs.finished import write_failure
from cnn_jax.runs.process import compute_on, enable_compilation_cache
from cnn_jax.runs.values import cell_from_dict
from cnn_jax.xla_flags import set_xla_flags

CellKey = tuple[str, int]  # strategy name, seed
Flag = Any  # a c_bool in shared memory: ctypes makes its type as it goes
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Task:
    """A cell to run in its folder; as plain values, from which any process makes it."""

    key: CellKey
    values: Mapping
    folder: Path
    trust_backend: bool


def work(pipe: Connection, stop: Flag, cores: list[int], dataset: Dataset) -> None:
    """Runs the tasks that arrive through the pipe, on that data, until the pipe closes.

    Sends ('tick', steps) and ('log', line) meanwhile, and for each task one of ('done', result or
    None where it was stopped) and ('refused', why no cell can be run).
    """
    compute_on(cores)
    set_xla_flags()
    enable_compilation_cache()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and sets `stop`
    signal.signal(signal.SIGTERM, lambda signum, frame: setattr(stop, 'value', True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):  # the parent needs this worker no more
        while True:
            try:
                task = pipe.recv()
                cell = cell_from_dict(task.values)
            except (
                Exception
            ) as error:  # what a user brought may raise anything where it is imported
                pipe.send(('refused', f'a worker process cannot make the cell: {one_line(error)}'))
            else:
                pipe.send(_outcome(task, cell, dataset, pipe, stop))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


def _outcome(
    task: Task, cell: Cell, dataset: Dataset, pipe: Connection, stop: Flag
) -> tuple[str, object]:
    if stop.value:
        return 'done', None
    try:
        _require_right_backend(task.trust_backend)
        result = run_cell(
            cell,
            task.folder,
            dataset,
            trust_backend=task.trust_backend,
            stop=lambda: bool(stop.value),
            tick=lambda steps: pipe.send(('tick', steps)),
            log=lambda line: pipe.send(('log', line)),
        )
        return 'done', result
    except BadInput as error:
        return 'refused', str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            return 'refused', str(disk_error(error))
        try:
            return 'done', write_failure(task.folder, error)
        except BadInput as unwritten:
            return 'refused', str(unwritten)


@functools.lru_cache(maxsize=2)
def _require_right_backend(trust: bool) -> None:
    """Raises WrongBackend where this process computes wrong numbers; checks once per process."""
    if not trust:
        from cnn_jax.backend import check_backend

        check_backend()
