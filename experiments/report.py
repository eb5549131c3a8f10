"""The report of a comparison, also of one that was stopped: what has finished is in it.

python -m experiments.report runs/compare
python -m experiments.report runs/compare --format latex
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
    """The output folder of a comparison."""
    format: Literal['html', 'markdown', 'csv', 'latex', 'svg', 'pdf'] = 'html'
    """html and markdown: report.html, report.md, plots and summary.json; csv and latex: results.csv
    and results.tex; svg and pdf: the figures."""


def main() -> None:
    """Run folder to files."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.report',
        description='Writes the report of a comparison, or tables and figures, into its folder.',
    )
    from rich.console import Console

    from cnn_jax.reports import export, print_table, write_report

    if options.format in ('html', 'markdown'):
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
