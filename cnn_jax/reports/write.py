"""Writes a comparison's report beside its cells: everything is made first, then put in place."""

from pathlib import Path
from typing import Any

from cnn_jax.files import write_atomically, write_json
from cnn_jax.reports.html import to_html
from cnn_jax.reports.markdown import PLOTS, to_markdown
from cnn_jax.reports.run import read_run
from cnn_jax.reports.sections import build_page
from cnn_jax.reports.summary import summarize_run


def undecided(folder: Path) -> int:
    """How many comparisons of a run are not decided by the cells that have finished."""
    rows = summarize_run(read_run(folder))['comparisons']
    return sum(row['verdict'] == 'undecided' for row in rows)


def write_report(folder: Path) -> dict[str, Any]:
    """Writes `report.html`, `report.md`, `plots/*.png` and `summary.json`; returns the summary.

    `folder` is the output folder of a comparison. Each file is replaced whole, so a reader sees
    the old or the new one. Raises `BadInput` where the run cannot be read or a file not written.

    >>> write_report(Path('no_such_folder'))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
    """
    run = read_run(folder)
    summary = summarize_run(run)
    page = build_page(run, summary)
    files = {Path(PLOTS) / picture.name: picture.png for picture in page.pictures}
    files[Path('report.md')] = to_markdown(page).encode()
    files[Path('report.html')] = to_html(page).encode()
    for name, content in files.items():
        write_atomically(folder / name, content)
    write_json(folder / 'summary.json', summary)
    return summary
