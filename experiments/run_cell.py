"""One cell of a comparison, for a scheduler.

python -m experiments.run_cell configs/fashion_mnist/compare.py --output runs/compare --cell max:0

Any number of these may run at once, on any machines that share the folder; run again, each resumes
from its checkpoint. `python -m experiments.compare_pooling CONFIG --output DIR --engine print`
prints the command of every unfinished cell, and `python -m experiments.report DIR` writes the
report of the finished ones.
"""

import sys

from cnn_jax.exits import exit_codes


def main() -> None:
    """Loads the data and runs one cell."""
    from rich.console import Console

    from cnn_jax.errors import require
    from cnn_jax.runs.command_line import parse
    from cnn_jax.runs.comparison import cells_failed
    from cnn_jax.runs.one_cell import cell_named, run_cell_alone
    from cnn_jax.runs.progress import Progress
    from cnn_jax.runs.setup import load_dataset

    options = parse(
        sys.argv[1:],
        program='python -m experiments.run_cell',
        description='Runs one cell of a comparison, --cell STRATEGY:SEED. Run again, it goes on.',
        one_cell=True,
    )
    require(options.cell is not None, "give the cell: --cell STRATEGY:SEED, such as 'max:0'.")
    require(options.output is not None, 'give --output DIR, the folder of the run.')
    assert options.cell is not None and options.output is not None
    progress = Progress(Console(stderr=True))
    key = cell_named(options.cell, options.comparison)
    dataset = load_dataset(options.comparison, log=progress.line)
    failed = run_cell_alone(
        key,
        options.comparison,
        options.output,
        dataset,
        progress,
        extend=options.extend,
        trust_backend=options.trust_backend,
    )
    if failed is not None:
        raise cells_failed({key: failed})


if __name__ == '__main__':
    with exit_codes():
        main()
