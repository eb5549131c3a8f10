"""Fair timing: one process per library under the same allocator, called in turn.

Each library runs in its own process, because the thread pools of two libraries in one process
disturb each other and an allocator must be preloaded. Only one process computes at a time, and
every contender is timed in every round, so a slow phase of the machine affects all alike.
"""

import ctypes.util
import functools
import multiprocessing
import os
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cnn_jax.errors import BadInput, require
from cnn_jax.runs.process import compute_on, fast_allocator, usable_cores

ALLOCATORS = ('default', 'tcmalloc', 'mimalloc')
Side = tuple[ProcessPoolExecutor, Callable, tuple[Hashable, ...]]  # what builds calls from what
_AT_LEAST, _ENOUGH = 0.04, 0.5  # seconds of calls per turn: at least, and enough for three calls


def preloaded(allocator: str) -> dict[str, str]:
    """The environment with which a new process uses `allocator`; BadInput if it is missing."""
    if allocator == 'default':
        return {}
    if allocator == 'mimalloc':
        library = fast_allocator()
    else:
        library = ctypes.util.find_library('tcmalloc_minimal')
    if library is None:
        raise BadInput(
            f'{allocator} is not installed here: install it (Debian: libtcmalloc-minimal4; '
            f'pip: cmeel-mimalloc) or choose --allocators default.'
        )
    return {'LD_PRELOAD': str(library)}


def check_file(file: Path) -> None:
    """Raises BadInput unless rows can be written to this file, and their table beside it."""
    require(
        file.suffix == '.json' and not file.is_dir(), f'--json must name a .json file; got {file}.'
    )
    folder = next(one for one in file.absolute().parents if one.exists())
    require(
        folder.is_dir() and os.access(folder, os.W_OK), f'--json {file} cannot be written there.'
    )


def use_threads(threads: int) -> None:
    """Pins this process, and those that it starts, to `threads` cores; BadInput if it has fewer."""
    usable = usable_cores()
    require(1 <= threads <= len(usable), f'--threads must be from 1 to {len(usable)} here.')
    compute_on(usable[:threads])


def cache_variables(folder: str) -> dict[str, str]:
    """The environment of a process that caches all compiled programs in `folder`."""
    return {
        'JAX_COMPILATION_CACHE_DIR': folder,
        'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
        'JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES': '-1',
    }


@contextmanager
def library_process(allocator: str, threads: int) -> Iterator[ProcessPoolExecutor]:
    """A process to time one library in: submit `best_ms` to it."""
    with process_with({**preloaded(allocator), 'OMP_NUM_THREADS': str(threads)}) as process:
        yield process


@contextmanager
def process_with(variables: Mapping[str, str]) -> Iterator[ProcessPoolExecutor]:
    """A new process with these environment variables."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    context = multiprocessing.get_context('spawn')
    try:
        with ProcessPoolExecutor(1, context) as process:
            process.submit(os.getpid).result()  # started while the variables are set
            yield process
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@functools.lru_cache(maxsize=1)
def _built(build: Callable, arguments: tuple[Hashable, ...]) -> Mapping[str, Callable[[], None]]:
    return build(*arguments)


def contenders(build: Callable, arguments: tuple[Hashable, ...]) -> list[str]:
    """Builds the calls of one case in this process, each called once, and names them."""
    calls = _built(build, arguments)
    for call in calls.values():
        call()
    return list(calls)


def best_ms(build: Callable, arguments: tuple[Hashable, ...], name: str) -> float:
    """The shortest of several calls, in milliseconds."""
    call = _built(build, arguments)[name]
    times, start = [], time.perf_counter()
    while time.perf_counter() - start < (_ENOUGH if len(times) < 3 else _AT_LEAST):
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    return 1000 * min(times)


def interleaved(sides: Sequence[Side], *, rounds: int) -> dict[str, list[float]]:
    """`best_ms` of every round, for every contender of every side, in milliseconds."""
    turns = [
        (process, build, arguments, name)
        for process, build, arguments in sides
        for name in process.submit(contenders, build, arguments).result()
    ]
    times: dict[str, list[float]] = {name: [] for *_, name in turns}
    for _ in range(rounds):
        for process, build, arguments, name in turns:
            times[name].append(process.submit(best_ms, build, arguments, name).result())
    return times
