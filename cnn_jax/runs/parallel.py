"""Runs cells in worker processes, each on its own cores, and reports what they do.

Separate processes because two cells on one core each finish sooner than one after the other on two,
and because a cell's figures must not depend on what ran before it. Each worker has a pipe of its
own: whatever workers share, such as a queue, has a lock, and one that is killed while it holds that
lock would leave the others and the parent waiting for ever.
"""

import ctypes
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, Interrupted, InUse, one_line
from cnn_jax.exits import TRY_AGAIN
from cnn_jax.runs.config import Cell, CellKey
from cnn_jax.runs.process import (
    gpu_variables,
    has_accelerator,
    preload_variables,
    reserved_cores,
    usable_cores,
    visible_gpus,
)
from cnn_jax.runs.together import groups
from cnn_jax.runs.values import config_to_dict
from cnn_jax.runs.worker import STOP_SIGNALS, Flag, Task, work

_ENDS = {'refused': BadInput, 'in use': InUse}  # what a worker says: how the run ends
_LAST_WORDS = 30.0  # seconds that workers get to save, once another one has died


@dataclass(frozen=True)
class Events:
    """What the caller wants to hear: steps done, lines, finished cells."""

    tick: Callable[[CellKey, int], None]
    log: Callable[[str], None]
    finished: Callable[[CellKey, dict], None]


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    busy: bool = False


def worker_count(cells: Mapping[CellKey, Cell]) -> int:
    """How many cells run at once: as many as the cores hold; one a GPU, or one on a TPU."""
    if has_accelerator():
        return max(1, min(len(cells), len(visible_gpus())))
    each = max(cell.cores for cell in cells.values())
    return max(1, min(len(cells), len(usable_cores()) // each))


def run_cells(
    cells: Mapping[CellKey, Cell],
    folders: Mapping[CellKey, Path],
    dataset: Dataset,
    events: Events,
    *,
    workers: int,
    together: int = 1,
    trust_backend: bool = False,
) -> dict[CellKey, dict]:
    """Runs every cell in its folder; their results, those of failed cells among them.

    Up to `together` cells that differ in their seed alone are trained by one program.

    Raises Interrupted after SIGINT, SIGTERM or a dead worker. Raises, after the others have saved,
    BadInput for what would stop every cell: a full disk, changed data, a backend that computes
    wrong numbers (unless `trust_backend`); and InUse where another process runs one of them. The
    first signal lets each worker finish its step and save; the second ends them at once.
    """
    context = multiprocessing.get_context('spawn')
    stop = context.RawValue(ctypes.c_bool, False)  # no lock, so signal handlers may set it
    each = max(cell.cores for cell in cells.values())
    plain = {key: _sendable(key, cell) for key, cell in cells.items()}
    tasks = [
        Task(tuple((key, plain[key], folders[key]) for key in keys), trust_backend)
        for keys in groups(cells, together)
    ]
    with (
        process_variables(preload_variables()),
        reserved_cores(workers, each) as places,
        _stop_on_signals(stop),
    ):
        crew: list[_Worker] = []
        try:
            with _signals_held_back():  # workers start so, and hear them once they are ready
                number = min(workers, len(tasks))
                for worker, place in enumerate(places[:number]):
                    cores = usable_cores() if has_accelerator() else place
                    with process_variables(gpu_variables(worker, number, visible_gpus())):
                        crew.append(_start(context, stop, cores, dataset))
            return _serve(crew, tasks, stop, events)
        finally:
            stop.value = True
            _dismiss(crew)


def _start(context: Any, stop: Flag, cores: list[int], dataset: Dataset) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(theirs, stop, cores, dataset), daemon=True)
    process.start()
    theirs.close()  # so that the pipe ends with the worker
    return _Worker(process, ours)


def _serve(
    crew: list[_Worker], tasks: list[Task], stop: Flag, events: Events
) -> dict[CellKey, dict]:
    """Gives out the tasks until all are done; ends early on `stop`, one of `_ENDS` or a death."""
    waiting, results = list(reversed(tasks)), {}
    end: BadInput | InUse | None = None
    died_at: float | None = None
    for worker in crew:
        _give(worker, waiting)
    while any(worker.busy for worker in crew):
        if died_at is not None and time.monotonic() > died_at + _LAST_WORDS:
            break
        by_pipe = {worker.pipe: worker for worker in crew if worker.busy}
        for pipe in wait_for_any(list(by_pipe), timeout=0.2):
            worker = by_pipe[pipe]  # pyright: ignore[reportArgumentType]
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                worker.busy, stop.value = False, True
                died_at = time.monotonic() if died_at is None else died_at
                continue
            if kind == 'tick':
                events.tick(*value)
            elif kind == 'log':
                events.log(value)
            elif kind in _ENDS:
                end, stop.value = end or _ENDS[kind](value), True
            elif kind == 'done':
                key, result = value
                if result is not None:
                    results[key] = result
                    events.finished(key, result)
            else:
                worker.busy = False
                if not stop.value:
                    _give(worker, waiting)
    if end is not None:
        raise end
    if died_at is not None:
        raise Interrupted('a worker process died (out of memory?); what is done is saved')
    if stop.value:
        raise Interrupted('stopped on request; what is done is saved')
    return results


def _give(worker: _Worker, waiting: list[Task]) -> None:
    if not waiting:
        return
    worker.busy = True
    with suppress(OSError):  # where it has died, its pipe will say so
        worker.pipe.send(waiting.pop())


def _sendable(key: CellKey, cell: Cell) -> dict:
    """The cell as plain values; BadInput where other processes cannot make it of them."""
    try:
        return config_to_dict(cell)
    except Exception as error:  # whatever a class of the user's raises
        said = str(error) if isinstance(error, BadInput) else one_line(error)
        raise BadInput(f'{key[0]} cannot be given to a worker process: {said}') from None


def _dismiss(crew: list[_Worker]) -> None:
    """Ends the workers: those that wait see the end of their pipe, others have had their time."""
    for worker in crew:
        worker.pipe.close()
    for worker in crew:
        if not worker.busy:
            worker.process.join(timeout=5)
        worker.process.kill()
        worker.process.join()


@contextmanager
def process_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """These environment variables, for the processes that start meanwhile."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _stop_on_signals(stop: Flag) -> Iterator[None]:
    def handle(signum, frame):
        if stop.value:
            os._exit(TRY_AGAIN)
        stop.value = True

    old = {s: signal.signal(s, handle) for s in STOP_SIGNALS}
    try:
        yield
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)
