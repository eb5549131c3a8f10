"""Guards of a run's folder: room on the disk, and one process at a time."""

import contextlib
import errno
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from cnn_jax.errors import BadInput, InUse

NO_LOCK = 'CNN_JAX_NO_LOCK'
_SPARE_BYTES = 16 << 20
_SAY_AFTER = 2.0  # seconds of waiting in silence
_NO_LOCKS_HERE = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}


def require_space(folder: Path, needed: int) -> None:
    """Raises BadInput unless the disk has `needed` bytes, and a little more, to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise BadInput(
            f'disk full: {folder} has {free >> 20} MiB free and {(needed + _SPARE_BYTES) >> 20} '
            f'MiB are needed. What was there is kept: free some space and run the command again.'
        )


@contextlib.contextmanager
def locked(
    folder: Path,
    *,
    wait_seconds: float = 0.0,
    log: Callable[[str], None] = lambda line: None,
) -> Iterator[None]:
    """Holds the folder's lock, which the system drops when the process dies, however it dies.

    Raises InUse, naming the holder, where another process still has it after `wait_seconds`; a wait
    that is not over soon is told to `log`. Raises BadInput where the file system has no locks,
    unless the variable CNN_JAX_NO_LOCK says to do without.
    """
    with (folder / 'lock').open('a+', encoding='utf-8') as file:
        _take(file, folder, wait_seconds, log)
        file.truncate(0)
        file.write(f'process {os.getpid()} on {os.uname().nodename}')
        file.flush()
        yield


def _take(file: TextIO, folder: Path, wait_seconds: float, log: Callable[[str], None]) -> None:
    """Takes the lock of `locked`."""
    begun, said = time.monotonic(), False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            file.seek(0)
            used = f'{folder} is in use by {file.read().strip() or "another process"}'
            waited = time.monotonic() - begun
            if waited >= wait_seconds:
                raise InUse(
                    f'{used}: run the same command again later, stop that process, '
                    f'or give another --output.'
                ) from None
            if waited >= _SAY_AFTER and not said:
                said = True
                log(f'{used}: waiting for it, up to {wait_seconds:.0f} s')
            time.sleep(0.1)
        except OSError as error:
            if error.errno not in _NO_LOCKS_HERE:
                raise OSError(error.errno, error.strerror, str(folder / 'lock')) from error
            if os.environ.get(NO_LOCK):
                return
            raise BadInput(
                f'the file system of {folder / "lock"} has no locks ({error.strerror}), so two '
                f'runs in this folder would not see each other: give an --output on a local '
                f'disk, or set {NO_LOCK}=1 and see to it that only one runs here.'
            ) from None
