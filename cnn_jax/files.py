"""Small files, written so that a reader sees the old content or the new, never half of it."""

import hashlib
import json
import math
import os
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cnn_jax.errors import BadInput, Damaged

_LONG = 24 * 3600.0  # seconds: no write takes so long


def make_folder(folder: Path) -> None:
    """Creates the output folder; BadInput where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f'cannot create the output folder {folder}: {error.strerror}. Give another --output.'
        ) from None


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
    temporary = path.with_name(f'.{path.name}.{os.getpid()}-{_machine()}.tmp')
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


def remove_leftovers(folder: Path) -> None:
    """Deletes what processes that were killed in `write_atomically` left in the folder.

    What processes of other machines wrote, which cannot be seen from here, goes when a day old. The
    caller holds the folder's lock.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, f'.a.json.{os.getpid()}-{_machine()}.tmp').write_bytes(b'{')
    ...     remove_leftovers(Path(folder))
    ...     os.listdir(folder)
    []
    """
    for path in folder.glob('.*.tmp'):
        match = re.fullmatch(r'\..+?\.(\d+)(-[0-9a-f]{8})?\.tmp', path.name)
        if match is None:
            continue
        with suppress(OSError):
            if match[2] == f'-{_machine()}':
                left = not _other_process(int(match[1]))
            else:  # without a machine it is of an earlier version
                left = time.time() - path.stat().st_mtime > _LONG
            if left:
                path.unlink()


def _machine() -> str:
    """What tells apart machines, and containers on one machine, whose processes have equal numbers.

    >>> len(_machine())
    8
    """
    numbers = Path('/proc/self/ns/pid')  # Linux: the namespace that process numbers belong to
    namespace = numbers.stat().st_ino if numbers.exists() else 0
    return hashlib.sha256(f'{os.uname().nodename} {namespace}'.encode()).hexdigest()[:8]


def _other_process(number: int) -> bool:
    """Whether another process of that number runs on this machine."""
    try:
        os.kill(number, 0)
        stat = Path(f'/proc/{number}/stat')  # a killed one may stay for ever, as a zombie
        if stat.exists() and stat.read_bytes().rpartition(b') ')[2][:1] in b'ZX':
            return False
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # not ours to look at
        return True
    return number != os.getpid()


def read_bytes(path: Path) -> bytes:
    """The file's content; an OSError of a failing disk names the file too."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def json_bytes(value: Mapping | Sequence) -> bytes:
    """A JSON object or list as `write_json` writes it: UTF-8, NaN and infinity refused.

    >>> json_bytes(['ä']).decode()
    '[\\n "ä"\\n]\\n'
    """
    return f'{json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)}\n'.encode()


def write_json(path: Path, value: Mapping | Sequence) -> None:
    """Writes a JSON object or list, NaN and infinity refused, atomically."""
    write_atomically(path, json_bytes(value))


def read_json(path: Path) -> dict:
    """Reads a JSON object, whatever the locale as UTF-8; NaN and infinity become None.

    Raises Damaged, naming the file, where it cannot be read or holds no JSON object.
    """
    try:
        return parse_json(path.read_text(encoding='utf-8'), str(path))
    except OSError as error:
        raise Damaged(f'{path} cannot be read ({error.strerror or error}).') from None
    except UnicodeDecodeError as error:
        raise Damaged(f'{path} is damaged: it is not UTF-8 ({error}).') from None


def parse_json(text: str, source: str) -> dict:
    """The JSON object in `text`; Damaged, naming `source`, where there is none.

    >>> parse_json('{"loss": NaN}', 'a.json')
    {'loss': None}
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError) as error:
        raise Damaged(f'{source} is damaged: it is not whole JSON ({error}).') from None
    if not isinstance(value, dict):
        raise Damaged(f'{source} is damaged: it does not hold a JSON object.')
    return value


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None
