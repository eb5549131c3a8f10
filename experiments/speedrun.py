"""How long does a new process take to train a network and measure its test accuracy?

python -m experiments.speedrun configs/fashion_mnist/speedrun.py --json runs/speedrun.json

One process per seed, each on as many cores as the config says: imports, loading the prepared data,
compiling with nothing cached, training, and one evaluation on the test split at the end. If
training flips images, the evaluation averages the logits of each image and its mirror image.
Downloading and preparing the data, on the very first run, is not counted.
"""

import statistics
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import tyro

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """What to run."""

    config: tyro.conf.Positional[Path]
    """A Python file with one strategy, such as configs/fashion_mnist/speedrun.py."""
    json: Path
    """File for the log."""
    seeds: tuple[int, ...] | None = None
    """One process each; by default those of the config."""
    validation_fraction: float | None = None
    """Hold out this share of the training split and evaluate on it, to choose a recipe."""


def main() -> None:
    """Runs one seed after the other, then prints the mean."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.speedrun',
        description='Times whole training runs, each from the start of a new process.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_json
    from cnn_jax.runs.command_line import load_config
    from cnn_jax.runs.config import cells_of
    from cnn_jax.runs.environment import describe_environment
    from cnn_jax.runs.setup import check_cell, load_dataset
    from cnn_jax.runs.values import config_to_dict
    from experiments.benchmarks.timing import check_file
    from experiments.benchmarks.whole_run import timed_run

    comparison = load_config(options.config)
    changes = {'seeds': options.seeds, 'validation_fraction': options.validation_fraction}
    comparison = replace(comparison, **{k: v for k, v in changes.items() if v is not None})
    require(
        len(comparison.strategies) == 1,
        f'{options.config} has {len(comparison.strategies)} strategies; a speed run has one.',
    )
    check_file(options.json)
    cells = cells_of(comparison)
    data = load_dataset(comparison, log=lambda line: print(line))
    for cell in cells.values():
        check_cell(cell, data)
    runs = []
    for (_, seed), cell in cells.items():
        runs.append({'seed': seed, **timed_run(cell)})
        print(
            'seed {seed}: {seconds:.1f} s, {split} accuracy {accuracy:.4f}'.format_map(runs[-1]),
            flush=True,
        )
        write_json(
            options.json,
            {
                'config': config_to_dict(comparison),
                'environment': describe_environment(),
                'runs': runs,
            },
        )
    accuracies, seconds = ([run[k] for run in runs] for k in ('accuracy', 'seconds'))
    print(
        f'{len(runs)} seeds: mean accuracy {statistics.mean(accuracies):.4f}, '
        f'median {statistics.median(seconds):.1f} s, longest {max(seconds):.1f} s'
    )


if __name__ == '__main__':
    with exit_codes():
        main()
