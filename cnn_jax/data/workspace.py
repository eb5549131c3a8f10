"""Writes to the data folder safely: a kill, a second process or a full disk does no harm."""

import contextlib
import fcntl
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from cnn_jax.errors import BadInput, require

_SCRATCH = '.scratch-'


@contextlib.contextmanager
def exclusive(folder: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Creates `folder` and holds its lock; waits, with a line to `log`, if another process has it.

    An `OSError` inside, such as a full disk, becomes a `BadInput` that names the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / '.lock').open('w', encoding='utf-8') as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log(f'waiting for another process that prepares data in {folder}')
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise BadInput(
            f'data folder {folder} cannot be written ({error.strerror or error}): '
            'make it writable, make room, or name another folder in CNN_JAX_DATA_DIR.'
        ) from error


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A new folder inside `folder`, as an absolute path, that is deleted at the end."""
    with tempfile.TemporaryDirectory(
        prefix=_SCRATCH, dir=folder.absolute(), ignore_cleanup_errors=True
    ) as path:
        yield Path(path)


def remove_leftovers(folder: Path) -> None:
    """Deletes what killed processes left in `folder`; call it only with the lock held."""
    for leftover in folder.glob(f'{_SCRATCH}*'):
        shutil.rmtree(leftover, ignore_errors=True)


def require_space(folder: Path, needed: int) -> None:
    """Raises `BadInput` if fewer than `needed` bytes are free where `folder` is.

    >>> require_space(Path('.'), needed=1)
    """
    free = shutil.disk_usage(folder).free
    require(
        free >= needed,
        f'data folder {folder} has {free / 1e6:.0f} MB free and {needed / 1e6:.0f} MB are needed: '
        'make room, or name another folder in CNN_JAX_DATA_DIR.',
    )
