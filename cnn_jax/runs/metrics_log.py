"""JSON lines: one object a line, each with the step after which it was written."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from cnn_jax.files import write_atomically


def append_row(path: Path, row: Mapping) -> None:
    """Appends one line and flushes it to the disk."""
    with path.open('a') as file:
        file.write(json.dumps(row) + '\n')
        file.flush()
        os.fsync(file.fileno())


def read_rows(path: Path) -> list[dict]:
    """The rows; a last line cut short by a kill is left out."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            row = json.loads(line)
        except ValueError:
            break
        if not isinstance(row, dict) or 'step' not in row:
            break
        rows.append(row)
    return rows


def cut_after(path: Path, step: int) -> list[dict]:
    """Drops rows past `step`, which a resumed run writes again; returns those that stay."""
    rows = [row for row in read_rows(path) if row['step'] <= step]
    if path.exists():
        write_atomically(path, ''.join(json.dumps(row) + '\n' for row in rows).encode())
    return rows
