"""Which pooling should my CNN use, and is the difference real?

python -m experiments.compare_pooling configs/fashion_mnist/compare.py --output runs/compare
"""

import json
import shlex
import sys
from functools import partial

from cnn_jax.exits import exit_codes


def main() -> None:
    """Loads the data, runs the comparison, writes the report."""
    # Imported here, so that Ctrl-C during these slow imports also ends in one line.
    from rich.console import Console

    from cnn_jax.errors import Interrupted
    from cnn_jax.reports import print_table, undecided, write_report
    from cnn_jax.runs import Comparison
    from cnn_jax.runs.command_line import parse
    from cnn_jax.runs.comparison import (
        cells_failed,
        check_cells,
        check_folder,
        run_comparison,
        seeds_begun,
    )
    from cnn_jax.runs.one_cell import commands, report_command
    from cnn_jax.runs.progress import Progress
    from cnn_jax.runs.setup import load_dataset
    from cnn_jax.runs.until_decided import run_until_decided
    from cnn_jax.runs.values import config_to_dict
    from cnn_jax.terminal import fitting
    from experiments.benchmarks.step_cost import cost_table, step_costs

    options = parse(
        sys.argv[1:],
        program='python -m experiments.compare_pooling',
        description='Trains one model per pooling strategy and seed; writes report.html, '
        'report.md and summary.json into the output folder. Run again, it goes on.',
    )
    recipe, folder = options.comparison, options.output
    extend = options.extend or options.until_decided
    if folder is not None:
        check_folder(recipe, folder, extend=extend, options=shlex.join(options.given))
    progress = Progress(Console(stderr=True))
    dataset = load_dataset(recipe, log=progress.line)
    if folder is None or options.dry_run or options.explain or options.profile:
        check_cells(recipe, dataset)
    if options.dry_run:
        print(json.dumps(config_to_dict(recipe), indent=1))
        return
    if folder is None or options.explain or options.profile:
        costs = cost_table(step_costs(recipe, dataset, profile=options.profile))
        console = Console() if sys.stdout.isatty() else Console(width=100)
        console.print(fitting(costs, console.width))
        if options.profile:
            progress.line(
                f'traces for ui.perfetto.dev: {options.profile}/**/perfetto_trace.json.gz'
            )
        return
    if options.engine == 'print':
        lines = commands(
            sys.argv[1],
            recipe,
            folder,
            dataset,
            progress,
            given=options.given,
            extend=extend,
        )
        for line in lines:
            print(line)
        progress.line(
            f'{len(lines)} cells to run; what has finished is reported by: {report_command(folder)}'
        )
        return
    run = partial(
        run_comparison,
        folder=folder,
        dataset=dataset,
        progress=progress,
        workers=options.workers,
        together=options.together,
        extend=extend,
        trust_backend=options.trust_backend,
    )
    failed = {}

    def run_look(part: Comparison) -> None:
        nonlocal failed
        failed = run(part)  # also tries cells again that failed before

    try:
        if options.until_decided:
            run_until_decided(
                recipe,
                run_look,
                lambda: undecided(folder),
                progress,
                begun=seeds_begun(folder),
                minutes=options.minutes,
            )
        else:
            failed = run(recipe)
    except Interrupted:
        progress.line(f'what has finished is reported by: {report_command(folder)}')
        raise
    summary = write_report(folder)
    print_table(summary, Console())
    progress.line(f'report: {folder / "report.html"}')
    if failed:
        raise cells_failed(failed)


if __name__ == '__main__':
    with exit_codes():
        main()
