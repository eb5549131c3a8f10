"""Writes a comparison's report beside its cells: everything is built first, then moved in place."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cnn_jax.files import json_bytes, write_atomically, write_json
from cnn_jax.measures import OF_THE_MACHINE
from cnn_jax.reports.exports import exported
from cnn_jax.reports.html import to_html
from cnn_jax.reports.markdown import PLOTS, to_markdown
from cnn_jax.reports.run import read_run
from cnn_jax.reports.sections import build_page
from cnn_jax.reports.study import study_runs
from cnn_jax.reports.study_page import study_page
from cnn_jax.reports.summary import summarize_run


def write_study_report(folder: Path, output: Path, form: str = 'html') -> list[Path]:
    """Writes a study's report, tables or figures into `output`; returns the files.

    `folder` holds the study's compact form; nothing else is read, so the same cells give the same
    bytes wherever they were run. `form`: 'html' or 'markdown' for `report.html`, `report.md`, plots
    and `summary.json`; 'csv', 'latex', 'svg' or 'pdf' for one file per comparison, named as by
    `export`, in a folder with the comparison's name.
    """
    title, runs = study_runs(folder)
    summaries = {name: summarize_run(run) for name, run in runs.items()}
    if form in ('html', 'markdown'):
        page = study_page(title, runs, summaries)
        files = {f'{PLOTS}/{picture.name}': picture.png for picture in page.pictures}
        files['report.md'] = to_markdown(page).encode()
        files['report.html'] = to_html(page).encode()
        files['summary.json'] = json_bytes(_without_machine(summaries))
    else:
        files = {
            f'{name}/{file}': content
            for name, run in runs.items()
            for file, content in exported(run, summaries[name], form).items()
        }
    for name, content in files.items():
        write_atomically(output / name, content)
    return [output / name for name in files]


def _without_machine(summaries: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The summaries without entries that differ between machines even if results are equal."""
    return {
        name: {
            **{key: value for key, value in summary.items() if key != 'environment'},
            'strategies': {
                strategy: {k: v for k, v in row.items() if k not in OF_THE_MACHINE}
                for strategy, row in summary['strategies'].items()
            },
        }
        for name, summary in summaries.items()
    }


def undecided(folder: Path) -> int:
    """How many comparisons of a run the finished cells leave undecided."""
    rows = summarize_run(read_run(folder))['comparisons']
    return sum(row['verdict'] == 'undecided' for row in rows)


def write_report(folder: Path) -> dict[str, Any]:
    """Writes `report.html`, `report.md`, `plots/*.png` and `summary.json`; returns the summary.

    `folder` is the output folder of a comparison. Each file is replaced atomically, so a reader
    sees the old or the new one. Raises `BadInput` if the run cannot be read or a file not written.

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
