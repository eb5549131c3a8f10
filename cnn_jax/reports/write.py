"""Writes a comparison's report beside its cells: everything is made first, then put in place."""

import json
import os
from pathlib import Path
from typing import Any

from cnn_jax.errors import BadInput
from cnn_jax.reports.html import to_html
from cnn_jax.reports.markdown import PLOTS, to_markdown
from cnn_jax.reports.run import read_run
from cnn_jax.reports.sections import build_page
from cnn_jax.reports.summary import summarize


def write_report(folder: Path) -> dict[str, Any]:
    """Writes `report.html`, `report.md`, `plots/*.png` and `summary.json`; returns the summary.

    `folder` is the output folder of a comparison. Each file is replaced whole, so a reader sees
    the old or the new one. Raises `BadInput` where the run cannot be read or a file not written.

    >>> write_report(Path('no_such_folder'))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
    """
    run = read_run(folder)
    summary = summarize(run)
    page = build_page(run, summary)
    files = {Path(PLOTS) / picture.name: picture.png for picture in page.pictures}
    files[Path('report.md')] = to_markdown(page).encode()
    files[Path('report.html')] = to_html(page).encode()
    text = json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False)
    files[Path('summary.json')] = f'{text}\n'.encode()
    for name, content in files.items():
        write_atomically(folder / name, content)
    return summary


def write_atomically(path: Path, content: bytes) -> None:
    """Puts `content` at `path` in one step; what was there stays if it cannot be written.

    Raises `BadInput` naming the file and the reason (disk full, no permission...).

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
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(
            f'cannot write {path}: {reason}. What was there is kept; mend this and report again.'
        ) from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)
