"""JSON lines: one object per line, each with the step after which it was written.

A cell's log is kept in memory too: checkpoints hold a copy, from which a resume rewrites the file,
and a finished cell's digests are computed from the log in memory. So nothing ever trusts the file.
"""

import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from cnn_jax.errors import Damaged, disk_error
from cnn_jax.files import parse_json, read_bytes, write_atomically


class Log:
    """A log and its file, which starts with `rows`; the file can be followed as it grows.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     log = Log(Path(folder, 'metrics.jsonl'), [{'step': 1}])
    ...     log.append({'step': 2, 'loss': math.inf})
    ...     read_rows(log.path)
    [{'step': 1}, {'step': 2, 'loss': None}]
    """

    def __init__(self, path: Path, rows: Iterable[Mapping]):
        self.path, self.rows = path, list(rows)
        if self.rows or path.exists():
            write_atomically(path, self.content())

    def append(self, row: Mapping) -> None:
        """Adds a row and flushes it to disk; non-finite values become None."""
        self.rows.append({key: finite_or_none(value) for key, value in row.items()})
        try:
            with self.path.open('ab') as file:
                file.write(_line(self.rows[-1]))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise disk_error(OSError(error.errno, error.strerror, str(self.path))) from error

    def content(self) -> bytes:
        """What the file holds."""
        return b''.join(map(_line, self.rows))


def read_rows(path: Path) -> list[dict]:
    """The rows of a log without a copy in a checkpoint, up to the first damaged one.

    A last line truncated by a kill is left out, too.
    """
    rows = []
    for line in read_bytes(path).split(b'\n') if path.exists() else ():
        try:
            row = parse_json(line.decode(), str(path))
        except (Damaged, UnicodeDecodeError):
            break
        if not isinstance(row.get('step'), int):
            break
        rows.append(row)
    return rows


def _line(row: Mapping) -> bytes:
    return f'{json.dumps(row)}\n'.encode()


def finite_or_none(value: object) -> object:
    """The value, or None for a NaN or an infinity, which JSON does not have.

    >>> finite_or_none(math.nan), finite_or_none(0.5)
    (None, 0.5)
    """
    return None if isinstance(value, float) and not math.isfinite(value) else value
