"""Runs cells in worker processes, each on cores of its own, and reports what they do.

Separate processes because two cells on one core each finish sooner than one after the other on two,
and because a cell's figures must not depend on what ran before it.
"""

import ctypes
import functools
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

from cnn_jax.data import Dataset, load
from cnn_jax.errors import Interrupted
from cnn_jax.runs.cell import run_cell
from cnn_jax.runs.config import Cell
from cnn_jax.runs.process import (
    compute_on,
    enable_compilation_cache,
    has_accelerator,
    preload_variables,
    usable_cores,
)

CellKey = tuple[str, int]  # strategy name, seed
Flag = Any  # a c_bool in shared memory: ctypes makes its type as it goes
_STOP_SIGNALS = {signal.SIGINT, signal.SIGTERM}


@dataclass(frozen=True)
class Events:
    """What the caller wants to hear: steps done, lines, finished cells."""

    tick: Callable[[CellKey, int], None]
    log: Callable[[str], None]
    finished: Callable[[CellKey, dict], None]


def worker_count(cells: Mapping[CellKey, Cell]) -> int:
    """How many cells run at once: as many as the cores hold; one where there is an accelerator."""
    if has_accelerator():
        return 1
    each = max(cell.cores for cell in cells.values())
    return max(1, min(len(cells), len(usable_cores()) // each))


def run_cells(
    cells: Mapping[CellKey, Cell],
    folders: Mapping[CellKey, Path],
    events: Events,
    *,
    workers: int,
) -> None:
    """Runs every cell in its folder. Raises Interrupted after SIGINT, SIGTERM or a dead worker.

    The first signal lets each worker finish its step and save; the second ends them at once.
    """
    context = multiprocessing.get_context('spawn')
    stop = context.RawValue(ctypes.c_bool, False)  # no lock, so signal handlers may set it
    messages, places = context.Queue(), context.Queue()
    for core_set in _core_sets(cells, workers):
        places.put(core_set)
    with environment(preload_variables()), _stop_on_signals(stop):
        pool = ProcessPoolExecutor(
            workers, context, initializer=_start_worker, initargs=(stop, messages, places)
        )
        try:
            with _signals_held_back():  # workers start so, and hear them once they are ready
                waiting = {
                    pool.submit(_run_one, key, cell, folders[key]): key
                    for key, cell in cells.items()
                }
            while waiting:
                done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                _pass_on(messages, events)
                for future in done:
                    key, result = waiting.pop(future), future.result()
                    if result is not None:
                        events.finished(key, result)
            if stop.value:
                raise Interrupted('stopped on request; what is done is saved')
        except BrokenProcessPool:
            raise Interrupted(
                'a worker process died (out of memory?); what is done is saved'
            ) from None
        finally:
            stop.value = True
            pool.shutdown(cancel_futures=True)


def _core_sets(cells: Mapping[CellKey, Cell], workers: int) -> Iterator[list[int]]:
    """The cores of each worker: always as many as the recipe says, shared where there are few."""
    each, cores = max(cell.cores for cell in cells.values()), usable_cores()
    for worker in range(workers):
        own = [cores[(worker * each + i) % len(cores)] for i in range(each)]
        yield cores if has_accelerator() else own


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """These environment variables, for the processes that start meanwhile."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


@contextmanager
def _signals_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _stop_on_signals(stop: Flag) -> Iterator[None]:
    def handle(signum, frame):
        if stop.value:
            os._exit(75)
        stop.value = True

    old = {s: signal.signal(s, handle) for s in _STOP_SIGNALS}
    try:
        yield
    finally:
        for signum, handler in old.items():
            signal.signal(signum, handler)


def _pass_on(messages: Queue, events: Events) -> None:
    while True:
        try:
            kind, key, value = messages.get_nowait()
        except queue.Empty:
            return
        if kind == 'tick':
            events.tick(key, value)
        else:
            events.log(value)


# What follows runs in the workers.

_stop: Flag
_messages: Queue


def _start_worker(stop: Flag, messages: Queue, places: Queue):
    global _stop, _messages
    _stop, _messages = stop, messages
    compute_on(places.get())
    enable_compilation_cache()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and sets `stop`
    signal.signal(signal.SIGTERM, lambda signum, frame: setattr(stop, 'value', True))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOP_SIGNALS)
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


@functools.lru_cache(maxsize=1)
def _dataset(name: str, image_size: tuple[int, int] | None) -> Dataset:
    return load(name, image_size=image_size, log=lambda line: None)


def _run_one(key: CellKey, cell: Cell, folder: Path) -> dict | None:
    if _stop.value:
        return None
    return run_cell(
        cell,
        folder,
        _dataset(cell.data, cell.image_size),
        stop=lambda: bool(_stop.value),
        tick=lambda steps: _messages.put(('tick', key, steps)),
        log=lambda line: _messages.put(('log', key, line)),
    )
