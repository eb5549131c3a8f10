"""What runs in a worker process: one cell after the other, as its parent gives them."""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from pathlib import Path
from typing import Any

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, InUse, disk_error, one_line
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.config import Cell, CellKey
from cnn_jax.runs.finished import write_failure
from cnn_jax.runs.process import compute_on, enable_compilation_cache
from cnn_jax.runs.together import train_together
from cnn_jax.runs.values import cell_from_dict
from cnn_jax.xla_flags import set_xla_flags

Flag = Any  # a c_bool in shared memory: ctypes makes its type as it goes
STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Task:
    """Cells to run, each in its folder; as plain values, from which any process makes them.

    Several are trained together: see `cnn_jax.runs.together`.
    """

    cells: tuple[tuple[CellKey, Mapping, Path], ...]
    trust_backend: bool


Job = tuple[CellKey, Cell, Path]


@dataclass(frozen=True)
class How:
    """What `run_cell` and `train_together` are told beside the cells."""

    trust_backend: bool
    stop: Callable[[], bool]
    log: Callable[[str], None]


def work(pipe: Connection, stop: Flag, cores: list[int], dataset: Dataset) -> None:
    """Runs the tasks that arrive through the pipe, on that data, until the pipe closes.

    Sends ('tick', (cell, steps)) and ('log', line) meanwhile, for each cell of a task one of
    ('done', (cell, result, or None where it was stopped)), ('refused', why no cell can be run) and
    ('in use', by whom the cell is), and ('free', None) when the task is done.
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
            task = pipe.recv()
            how = How(
                task.trust_backend,
                stop=lambda: bool(stop.value),
                log=lambda line: pipe.send(('log', line)),
            )
            try:
                jobs = [(key, cell_from_dict(values), path) for key, values, path in task.cells]
            except (
                Exception
            ) as error:  # what a user brought may raise anything where it is imported
                pipe.send(('refused', f'a worker process cannot make the cell: {one_line(error)}'))
            else:
                told = _trained_together(jobs, dataset, how, pipe)
                for job in jobs:
                    tick = _tick(pipe, job[0], told.get(job[0], 0))
                    pipe.send(_outcome(job, dataset, how, tick))
            pipe.send(('free', None))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


def _tick(pipe: Connection, key: CellKey, told: int) -> Callable[[int], None]:
    """Reports steps of a cell, but for the first `told`, of which the parent knows."""

    def tick(steps: int) -> None:
        nonlocal told
        known = min(told, steps)
        told -= known
        if steps > known:
            pipe.send(('tick', (key, steps - known)))

    return tick


def _trained_together(
    jobs: Sequence[Job], dataset: Dataset, how: How, pipe: Connection
) -> dict[CellKey, int]:
    """Trains several cells together; the steps of each that were reported.

    Where that is not possible each is trained alone later, which tells what is wrong with it.
    """
    told: dict[CellKey, int] = {}
    if len(jobs) == 1 or how.stop():
        return told

    def tick(index: int, steps: int) -> None:
        key = jobs[index][0]
        told[key] = told.get(key, 0) + steps
        pipe.send(('tick', (key, steps)))

    try:
        _require_right_backend(how.trust_backend)
        cells = [(cell, folder) for _, cell, folder in jobs]
        train_together(cells, dataset, **vars(how), tick=tick)
    except Exception as error:
        how.log(
            f'{jobs[0][0][0]}: the seeds are trained one by one, since together they cannot be: '
            f'{one_line(error)}'
        )
    return told


def _outcome(
    job: Job, dataset: Dataset, how: How, tick: Callable[[int], None]
) -> tuple[str, object]:
    key, cell, folder = job
    if how.stop():
        return 'done', (key, None)
    try:
        _require_right_backend(how.trust_backend)
        return 'done', (key, run_cell(cell, folder, dataset, **vars(how), tick=tick))
    except BadInput as error:
        return 'refused', str(error)
    except InUse as error:
        return 'in use', str(error)
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            return 'refused', str(disk_error(error))
        try:
            return 'done', (key, write_failure(folder, error))
        except BadInput as unwritten:
            return 'refused', str(unwritten)


@functools.lru_cache(maxsize=2)
def _require_right_backend(trust: bool) -> None:
    """Raises WrongBackend where this process computes wrong numbers; checks once per process."""
    if not trust:
        from cnn_jax.backend import check_backend

        check_backend()
