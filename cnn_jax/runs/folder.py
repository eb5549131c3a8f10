"""Guards of a run's folder: room on the disk, and one process at a time."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from cnn_jax.errors import BadInput

_SPARE_BYTES = 16 << 20


def require_space(folder: Path, needed: int) -> None:
    """Raises BadInput unless the disk has `needed` bytes, and a little more, to spare."""
    free = shutil.disk_usage(folder).free
    if free < needed + _SPARE_BYTES:
        raise BadInput(
            f'disk full: {folder} has {free >> 20} MiB free and {(needed + _SPARE_BYTES) >> 20} '
            f'MiB are needed. What was there is kept: free some space and run the command again.'
        )


@contextlib.contextmanager
def locked(folder: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds the folder's lock, which the system drops when the process dies, however it dies.

    Raises BadInput, naming the holder, where another process still has it after `wait_seconds`.
    """
    with (folder / 'lock').open('a+') as file:
        deadline = time.monotonic() + wait_seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                file.seek(0)
                holder = file.read().strip() or 'another process'
                raise BadInput(
                    f'{folder} is in use by {holder}: wait for it, stop it, '
                    f'or give another --output.'
                ) from None
        file.truncate(0)
        file.write(f'process {os.getpid()} on {os.uname().nodename}')
        file.flush()
        yield
