"""What prevents experiments from running on this machine, and what to do about it."""

import importlib.metadata
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import jax

from cnn_jax import xla_flags
from cnn_jax.backend import backend_checks, remedy
from cnn_jax.checks import Check
from cnn_jax.data import data_dir
from cnn_jax.data.folders import cache_folder
from cnn_jax.errors import BadInput
from cnn_jax.runs.process import fast_allocator, has_accelerator, usable_cores

PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'tensorflow-datasets')
LEAST_FREE = 1.0  # GiB: data, checkpoints and compiled programs of a comparison need less


def diagnose() -> Iterator[Check]:
    """Every check, one after the other; each failed one says what to do.

    Sets XLA's flags, so JAX must not have computed anything before. Changes nothing on disk.

    >>> names = [check.name for check in diagnose()]
    >>> names[:3], names[-1]
    (['packages', 'XLA flags', 'devices'], 'disk')
    """
    yield packages_check()
    flags = xla_check()
    yield flags
    if flags.ok:  # otherwise XLA would end this process
        yield from device_checks()
    yield allocator_check()
    yield cores_check()
    yield data_check()
    yield cache_check()
    yield disk_check()


def packages_check() -> Check:
    """The versions of Python and of the packages that experiments need."""
    found, missing = [f'Python {platform.python_version()}'], []
    for name in PACKAGES:
        try:
            found.append(f'{name} {importlib.metadata.version(name)}')
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Check(
            'packages', False, f'{", ".join(missing)} missing: run make setup, or pip install -e .'
        )
    return Check('packages', True, ', '.join(found))


def xla_check() -> Check:
    """Whether XLA accepts the flags of this process; sets the one that the project needs."""
    try:
        xla_flags.set_xla_flags()
    except BadInput as error:
        return Check('XLA flags', False, f'{error} Devices and numbers are not tried before that.')
    return Check('XLA flags', True, os.environ.get('XLA_FLAGS', ''))


def device_checks() -> Iterator[Check]:
    """Which devices JAX finds, and whether it computes correctly on the first."""
    try:
        outcomes = backend_checks()
    except BadInput as error:
        yield Check('devices', False, str(error))
        return
    devices = ', '.join(f'{device.device_kind} ({device})' for device in jax.devices())
    if jax.default_backend() == 'cpu' and has_accelerator():
        devices += '. There is an accelerator that JAX does not use: see JAX_PLATFORMS'
    yield Check('devices', True, devices)
    for check in outcomes:
        message = check.message if check.ok else f'{check.message}. {remedy()}'
        yield Check(f'numbers: {check.name}', check.ok, message)


def allocator_check() -> Check:
    """Which memory allocator training processes will use."""
    chosen, library = os.environ.get('LD_PRELOAD'), fast_allocator()
    if chosen:
        names = [Path(name).name for name in chosen.replace(':', ' ').split()]
        return Check('allocator', True, f'your own LD_PRELOAD: {", ".join(names)}')
    if library is None:
        return Check(
            'allocator',
            True,
            "the system's; on Linux training is faster with: pip install cmeel-mimalloc",
        )
    return Check('allocator', True, 'mimalloc, preloaded where training runs')


def cores_check() -> Check:
    """The CPU cores that this process may use."""
    cores, all_cores = len(usable_cores()), os.cpu_count() or 1
    threads = os.environ.get('OMP_NUM_THREADS')
    limit = f', OMP_NUM_THREADS={threads}' if threads else ''
    return Check('cores', True, f'{cores} of {all_cores} may be used{limit}')


def data_check() -> Check:
    """The data folder, and which sets are in it. Having none is not an error."""
    name = 'data folder'
    try:
        folder = data_dir()
    except BadInput as error:
        return Check(name, False, str(error))
    advice = 'correct its permissions, or name another folder in CNN_JAX_DATA_DIR.'
    try:
        sets = sorted(path.name for path in folder.iterdir() if _holds_files(path))
    except FileNotFoundError:
        if not _can_write(folder):
            return Check(name, False, f'{folder} is not there and cannot be made: {advice}')
        sets = []
    except NotADirectoryError:
        return Check(name, False, f'{folder} is a file or lies in one: move it, or {advice}')
    except OSError as error:
        return Check(name, False, f'{folder} cannot be read ({error.strerror}): {advice}')
    if not sets:
        return Check(
            name,
            True,
            f'{folder} holds no data set yet: make compare fetches Fashion-MNIST; '
            f"data='shapes' needs nothing.",
        )
    note = '' if _can_write(folder) else ' It cannot be written: no set can be added.'
    return Check(name, True, f'{folder} holds {", ".join(sets)}.{note}')


def cache_check() -> Check:
    """Whether compiled programs can be cached on disk."""
    name, variable = 'cache', 'JAX_COMPILATION_CACHE_DIR'
    try:
        chosen = os.environ.get(variable)
        folder = Path(chosen) if chosen else cache_folder() / 'xla'
    except BadInput as error:
        return Check(name, False, str(error))
    if not _can_write(folder):
        return Check(
            name,
            False,
            f'{folder} cannot be written, so every start compiles anew: name another folder in '
            f'{variable}.',
        )
    return Check(name, True, f'{folder} can be written')


def disk_check() -> Check:
    """Free space where runs are written by default: the working folder."""
    free = shutil.disk_usage(_existing(Path.cwd())).free / 2**30
    message = f'{free:.1f} GiB free in the working folder'
    if free < LEAST_FREE:
        message += f': a comparison wants {LEAST_FREE:.0f}; make room or give another --output.'
    return Check('disk', free >= LEAST_FREE, message)


def as_json(checks: list[Check]) -> Mapping:
    """{'checks': [{'name', 'ok', 'message'}]}.

    >>> as_json([Check('disk', True, '9 GiB free')])
    {'checks': [{'name': 'disk', 'ok': True, 'message': '9 GiB free'}]}
    """
    return {'checks': [vars(check) for check in checks]}


def _holds_files(path: Path) -> bool:
    return not path.name.startswith('.') and path.is_dir() and any(path.iterdir())


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())


def _can_write(folder: Path) -> bool:
    """Whether files can be made in the folder, or in the nearest above it that exists."""
    try:
        with tempfile.TemporaryFile('w+b', dir=_existing(folder)):
            return True
    except OSError:
        return False
