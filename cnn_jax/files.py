"""Small files, written so that a reader sees the old content or the new, never half of it."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cnn_jax.errors import BadInput


def write_atomically(path: Path, content: bytes) -> None:
    """Writes under a temporary name in the same folder, flushes to the disk, then renames.

    Makes the folder if need be. What was there stays where the new content cannot be written;
    BadInput then names the file and the reason.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder, 'new', 'note'), b'hello')
    ...     Path(folder, 'new', 'note').read_bytes()
    b'hello'
    """
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open('wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise BadInput(
            f'cannot write {path}: {error.strerror or error}. '
            f'What was there is kept: mend this and run the command again.'
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping | Sequence) -> None:
    """Writes a JSON object or list, NaN and infinity refused, atomically."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(path, f'{text}\n'.encode())


def read_json(path: Path) -> dict:
    """Reads a JSON object; BadInput names a file that does not hold one."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadInput(
            f'{path} cannot be read as JSON ({error}): remove it and run again.'
        ) from None
    if not isinstance(value, dict):
        raise BadInput(f'{path} does not hold a JSON object: remove it and run again.')
    return value
