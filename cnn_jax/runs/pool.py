"""Runs cells in worker processes, each on cores of its own, and reports what they do.

Separate processes because two cells on one core each finish sooner than one after the other on two,
and because a cell's figures must not depend on what ran before it.
"""

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
from multiprocessing.synchronize import Event
from pathlib import Path

from cnn_jax.data import Dataset, load
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


class Interrupted(Exception):
    """The run was asked to stop, or lost a worker; what is done is saved."""


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
    stop, messages, places = context.Event(), context.Queue(), context.Queue()
    for core_set in _core_sets(cells, workers):
        places.put(core_set)
    with _environment(preload_variables()), _stop_on_signals(stop):
        pool = ProcessPoolExecutor(
            workers, context, initializer=_start_worker, initargs=(stop, messages, places)
        )
        try:
            waiting = {
                pool.submit(_run_one, key, cell, folders[key]): key for key, cell in cells.items()
            }
            while waiting:
                done, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                _pass_on(messages, events)
                for future in done:
                    key, result = waiting.pop(future), future.result()
                    if result is not None:
                        events.finished(key, result)
            if stop.is_set():
                raise Interrupted('stopped on request; what is done is saved')
        except BrokenProcessPool:
            raise Interrupted(
                'a worker process died (out of memory?); what is done is saved'
            ) from None
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)


def _core_sets(cells: Mapping[CellKey, Cell], workers: int) -> Iterator[list[int]]:
    """The cores of each worker: its own where there are enough, all of them where there are not."""
    each, cores = max(cell.cores for cell in cells.values()), usable_cores()
    for worker in range(workers):
        own = cores[worker * each : (worker + 1) * each]
        yield cores if has_accelerator() or len(own) < each else own


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


@contextmanager
def _stop_on_signals(stop: Event) -> Iterator[None]:
    def handle(signum, frame):
        if stop.is_set():
            os._exit(75)
        stop.set()

    old = {s: signal.signal(s, handle) for s in (signal.SIGINT, signal.SIGTERM)}
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

_stop: Event
_messages: Queue


def _start_worker(stop: Event, messages: Queue, places: Queue):
    global _stop, _messages
    _stop, _messages = stop, messages
    compute_on(places.get())
    enable_compilation_cache()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and sets `stop`
    signal.signal(signal.SIGTERM, lambda signum, frame: stop.set())
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for_any([parent.sentinel])
        os._exit(1)


@functools.lru_cache(maxsize=1)
def _dataset(name: str) -> Dataset:
    return load(name, log=lambda line: None)


def _run_one(key: CellKey, cell: Cell, folder: Path) -> dict | None:
    if _stop.is_set():
        return None
    return run_cell(
        cell,
        folder,
        _dataset(cell.data),
        stop=_stop.is_set,
        tick=lambda steps: _messages.put(('tick', key, steps)),
        log=lambda line: _messages.put(('log', key, line)),
    )
