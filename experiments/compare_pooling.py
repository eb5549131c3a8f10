"""Which pooling should my CNN use, and is the difference real?

python -m experiments.compare_pooling configs/fashion_mnist/compare.py --output runs/compare
"""

import json
import sys

from rich.console import Console

from cnn_jax.data import load
from cnn_jax.reports import print_table, write_report
from cnn_jax.runs.command_line import exit_codes, parse
from cnn_jax.runs.comparison import run_comparison
from cnn_jax.runs.config import config_to_dict
from cnn_jax.runs.progress import Progress


def main() -> None:
    """Data, variants, run, report."""
    options = parse(
        sys.argv[1:],
        program='python -m experiments.compare_pooling',
        description='Trains one model per pooling strategy and seed; writes report.html, '
        'report.md and summary.json into the output folder. Run again, it goes on.',
    )
    progress = Progress(Console(stderr=True))
    dataset = load(options.comparison.data, log=progress.line)
    run_comparison(
        options.comparison,
        options.output,
        dataset,
        progress,
        workers=options.workers,
        extend=options.extend,
        dry_run=options.dry_run,
    )
    if options.dry_run:
        print(json.dumps(config_to_dict(options.comparison), indent=1))
        return
    summary = write_report(options.output)
    print_table(summary, Console())
    progress.line(f'report: {options.output / "report.html"}')


if __name__ == '__main__':
    with exit_codes():
        main()
