"""Settings of a worker process, needed before it computes anything: allocator and cores."""

import contextlib
import hashlib
import importlib.metadata
import itertools
import math
import os
import platform
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax

from cnn_jax.data.folders import cache_folder

_PLUGINS = (
    'jax-cuda12-plugin',
    'jax-cuda13-plugin',
    'jax-rocm60-plugin',
    'jax-rocm7-plugin',
    'libtpu',
)


def fast_allocator() -> Path | None:
    """The mimalloc library of the `cmeel-mimalloc` package, if it is installed, on Linux.

    glibc maps arrays over 32 MiB, and often smaller ones, anew at each step: when the temporaries
    of convnet1 with max_blur exceeded that, a step took 42 ms instead of 28.
    """
    if sys.platform != 'linux':
        return None
    try:
        files = importlib.metadata.files('cmeel-mimalloc') or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(f.locate())) for f in files if f.name == 'libmimalloc.so']
    # The loader splits LD_PRELOAD at spaces and colons.
    usable = [p for p in found if p.exists() and not set(str(p)) & set(' :')]
    return usable[0].resolve() if usable else None


def preload_variables() -> dict[str, str]:
    """Environment variables for training processes; none if the user has already set them."""
    library = fast_allocator()
    if library is None or 'LD_PRELOAD' in os.environ:
        return {}
    return {'LD_PRELOAD': str(library)}


def usable_cores() -> list[int]:
    """The CPU cores that this process may use.

    >>> len(usable_cores()) >= 1
    True
    """
    if sys.platform == 'linux':
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def compute_on(cores: Sequence[int]) -> None:
    """Pins this process, and the threads that it starts from now on, to these cores (Linux)."""
    if sys.platform == 'linux':
        os.sched_setaffinity(0, cores)


@contextlib.contextmanager
def reserved_cores(workers: int, each: int) -> Iterator[list[list[int]]]:
    """Reserves `each` cores for every worker, not shared with another comparison's workers.

    Cores are shared only if there are not enough: a cell always uses as many as its recipe says. A
    core is held by a socket with its name (Linux), which the system frees when the process dies,
    however it dies; on other systems workers are not pinned to cores at all.

    >>> with reserved_cores(2, 1) as cores:
    ...     [len(own) for own in cores]
    [1, 1]
    """
    with contextlib.ExitStack() as held:
        free: list[int] = []
        others: list[int] = []
        for core in usable_cores():
            wanted = len(free) < workers * each and _hold(core, held)
            (free if wanted else others).append(core)
        cores = free + others
        yield [[cores[(w * each + i) % len(cores)] for i in range(each)] for w in range(workers)]


def _hold(core: int, held: contextlib.ExitStack) -> bool:
    if sys.platform != 'linux':
        return True
    name = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    try:
        name.bind(f'\0cnn_jax core {core}')
    except OSError:
        return False
    return True


def enable_compilation_cache() -> None:
    """Caches compiled programs on disk, one folder per kind of CPU, unless the user chose a folder.

    A second run of the same cell then starts in 3 s rather than 16 s.
    """
    if 'JAX_COMPILATION_CACHE_DIR' in os.environ:
        return
    kind = hashlib.sha256(_cpu_description().encode()).hexdigest()[:12]
    jax.config.update('jax_compilation_cache_dir', str(cache_folder() / 'xla' / kind))
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    jax.config.update('jax_persistent_cache_min_entry_size_bytes', -1)


def _cpu_description() -> str:
    """The lines of /proc/cpuinfo that distinguish kinds of CPU."""
    try:
        lines = Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
    except OSError:
        return platform.processor()
    return '\n'.join(sorted({line for line in lines if line.startswith(('model name', 'flags'))}))


def visible_gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    CUDA numbers those that it finds from 0, whatever the names of their files in /dev.
    """
    if not has_accelerator():
        return []
    chosen = _chosen_gpus()
    if chosen is not None:
        return chosen
    return [str(number) for number, _ in enumerate(Path('/dev').glob('nvidia[0-9]*'))]


def _chosen_gpus() -> list[str] | None:
    """What CUDA_VISIBLE_DEVICES lets through: all names before an invalid one; None: not set."""
    chosen = os.environ.get('CUDA_VISIBLE_DEVICES')
    if chosen is None:
        return None
    names = (name.strip() for name in chosen.split(','))
    return list(itertools.takewhile(lambda name: name and not name.startswith('-'), names))


def gpu_variables(worker: int, workers: int, gpus: Sequence[str]) -> dict[str, str]:
    """The environment of one of so many workers: its GPU, and its share of that GPU's memory.

    JAX takes three quarters of a GPU's memory as it starts, so the second process on a GPU would
    find none. What the user has set of that stays.

    >>> gpu_variables(3, 4, ['0', '1'])
    {'CUDA_VISIBLE_DEVICES': '1', 'XLA_PYTHON_CLIENT_MEM_FRACTION': '0.45'}
    >>> gpu_variables(1, 2, ['0', '1']), gpu_variables(0, 4, [])
    ({'CUDA_VISIBLE_DEVICES': '1'}, {})
    """
    if not gpus:
        return {}
    variables = {'CUDA_VISIBLE_DEVICES': gpus[worker % len(gpus)]} if len(gpus) > 1 else {}
    sharing = math.ceil(workers / len(gpus))
    if sharing == 1 or any(name.startswith('XLA_PYTHON_CLIENT_') for name in os.environ):
        return variables
    return variables | {'XLA_PYTHON_CLIENT_MEM_FRACTION': f'{0.9 / sharing:.2g}'}


def has_accelerator() -> bool:
    """Whether JAX would find a GPU or TPU, determined without starting it.

    >>> has_accelerator() in (True, False)
    True
    """
    if os.environ.get('JAX_PLATFORMS', '').startswith('cpu'):
        return False
    if not any(_installed(name) for name in _PLUGINS):
        return False
    kinds = ['accel', 'kfd'] if _chosen_gpus() == [] else ['nvidia', 'accel', 'kfd']
    return any(any(Path('/dev').glob(f'{kind}[0-9]*')) for kind in kinds)


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
