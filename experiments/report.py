"""The report of a comparison or a study, even a stopped one: it covers what has finished.

python -m experiments.report runs/compare
python -m experiments.report runs/compare --format latex
python -m experiments.report experiments/results/studies/quick --output runs/quick
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """What to write."""

    run: tyro.conf.Positional[Path]
    """The output folder of a comparison or of a study."""
    format: Literal['html', 'markdown', 'csv', 'latex', 'svg', 'pdf'] = 'html'
    """html and markdown: report.html, report.md, plots and summary.json; csv and latex: results.csv
    and results.tex; svg and pdf: the figures."""
    output: Path | None = None
    """Where to write the report of a study; by default into its folder."""


def main() -> None:
    """Reads a run's folder and writes the files."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.report',
        description='Writes the report of a comparison, or tables and figures, into its folder.',
    )
    from rich.console import Console

    from cnn_jax.compact import is_study
    from cnn_jax.errors import require
    from cnn_jax.reports import export, print_table, write_report, write_study_report

    is_one = is_study(options.run)
    require(is_one or options.output is None, 'a comparison has its report in its own folder.')
    if is_one:
        files = write_study_report(options.run, options.output or options.run, options.format)
    elif options.format in ('html', 'markdown'):
        print_table(write_report(options.run), Console())
        name = 'report.html' if options.format == 'html' else 'report.md'
        files = [options.run / name]
    else:
        files = export(options.run, options.format)
    for file in files:
        print(file, file=sys.stderr)


if __name__ == '__main__':
    with exit_codes():
        main()
