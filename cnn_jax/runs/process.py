"""Settings of a worker process that must be made before it computes: allocator and cores."""

import importlib.metadata
import os
import sys
from collections.abc import Sequence
from pathlib import Path


def fast_allocator() -> Path | None:
    """The mimalloc library of the `cmeel-mimalloc` package, where it is installed, on Linux.

    glibc maps arrays over 32 MiB, and often smaller ones, afresh at each step, and the page faults
    cost a third of a train step of convnet1 on two cores.
    """
    if sys.platform != 'linux':
        return None
    try:
        files = importlib.metadata.files('cmeel-mimalloc') or []
    except importlib.metadata.PackageNotFoundError:
        return None
    found = [Path(str(f.locate())) for f in files if f.name == 'libmimalloc.so']
    return found[0].resolve() if found and found[0].exists() else None


def preload_variables() -> dict[str, str]:
    """Environment variables for processes that train; none where the user has chosen already."""
    library = fast_allocator()
    if library is None or 'LD_PRELOAD' in os.environ:
        return {}
    return {'LD_PRELOAD': str(library)}


def usable_cores() -> list[int]:
    """The CPU cores that this process may compute on.

    >>> len(usable_cores()) >= 1
    True
    """
    if sys.platform == 'linux':
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def compute_on(cores: Sequence[int]) -> None:
    """Keeps this process, and the threads it starts from now on, on these cores (Linux only)."""
    if sys.platform == 'linux':
        os.sched_setaffinity(0, cores)


def has_accelerator() -> bool:
    """Whether JAX would find a GPU or TPU, told without starting it.

    >>> has_accelerator() in (True, False)
    True
    """
    if os.environ.get('JAX_PLATFORMS', '').startswith('cpu'):
        return False
    return any(Path('/dev').glob('nvidia[0-9]*')) or any(Path('/dev').glob('accel[0-9]*'))
