"""Does `antialias` make a network that is not ours more consistent? ResNet-18 in plain Flax.

python -m experiments.antialias_resnet --json runs/antialias_resnet.json

The network is written as He et al. (CVPR 2016) and the first users of CIFAR have it, with a quarter
of the features, on Fashion-MNIST. Every seed trains two networks from the same start, one as it is
and one through `antialias`. About ten minutes on one core.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.exits import exit_codes, parse_options


@dataclass(frozen=True)
class Options:
    """What to run."""

    json: Path
    """File for the results."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One pair of networks each."""
    images: int = 10_000
    """How many of the training images."""
    epochs: int = 3
    """Passes over them."""


def main() -> None:
    """Trains the pairs, seed by seed, and writes the results."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.antialias_resnet',
        description='Trains a plain ResNet-18 with and without antialias.',
    )
    from cnn_jax.data import load
    from cnn_jax.files import write_json
    from cnn_jax.runs.environment import describe_environment
    from experiments.benchmarks.plain_resnet import trained_pair
    from experiments.benchmarks.timing import check_file

    check_file(options.json)
    dataset, rows = load('fashion_mnist'), []
    for seed in options.seeds:
        rows += trained_pair(dataset, seed, images=options.images, epochs=options.epochs)
        print(markdown(rows), flush=True)
        values = {'images': options.images, 'epochs': options.epochs, 'rows': rows}
        write_json(options.json, {**values, 'environment': describe_environment()})


def markdown(rows: list[dict]) -> str:
    """Means over the seeds, and the mean paired difference with its 95% interval, in percent.

    >>> row = lambda seed, which, value: {
    ...     'seed': seed, 'network': which, 'accuracy': value, 'consistency': value}
    >>> rows = [row(s, w, v + s / 100) for s in (0, 1) for w, v in (('plain', .8), ('smooth', .9))]
    >>> print(markdown(rows).splitlines()[2])
    | accuracy % | 80.50 | 90.50 | +10.00 | +10.00 to +10.00 |
    """
    from cnn_jax.reports.statistics import mean_interval
    from experiments.benchmarks.table import as_markdown

    lines = []
    for measure in ('accuracy', 'consistency'):
        plain, smooth = (
            [100 * row[measure] for row in rows if row['network'] == which]
            for which in ('plain', 'smooth')
        )
        found = mean_interval([b - a for a, b in zip(plain, smooth, strict=True)])
        ends = '–' if found.ci95 is None else f'{found.ci95[0]:+.2f} to {found.ci95[1]:+.2f}'
        means = (f'{sum(values) / len(values):.2f}' for values in (plain, smooth))
        lines.append([f'{measure} %', *means, f'{found.mean:+.2f}', ends])
    columns = ('measure', 'as it is', 'through antialias', 'difference', '95% interval')
    return as_markdown(columns, lines)


if __name__ == '__main__':
    with exit_codes():
        main()
