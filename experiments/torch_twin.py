"""Is the same network, trained by PyTorch, as shift-consistent as ours?

.venv-oracles/bin/python -m experiments.torch_twin --output runs/torch_twin

convnet1 as in configs/fashion_mnist/twin.py, trained by us and by PyTorch, from PyTorch's initial
weights, from ours, and with one part of them exchanged at a time. Every network is evaluated on
both sides, with its weights carried across and the same shifts. Needs the environment of `make
oracles`. 1 to 3 minutes per network on one core, 2 x 6 x 8 of them by default; an interrupted run
resumes. `--json FILE` writes the finished results in a table of means and standard errors.
"""

import os
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cnn_jax.exits import exit_codes, parse_options

VARIANTS = (
    'ours',
    'torch',
    'torch_our_start',
    'ours_torch_start',
    'torch_our_conv',
    'torch_our_dense',
)


@dataclass(frozen=True)
class Options:
    """What to run."""

    output: Path
    """Folder for the finished networks' results, one small file each."""
    json: Path | None = None
    """File for the table."""
    strategies: tuple[Literal['max', 'avg'], ...] = ('max', 'avg')
    """The pools."""
    variants: tuple[str, ...] = VARIANTS
    """Which side trains, from which side's initial weights."""
    seeds: tuple[int, ...] = tuple(range(8))
    """One network each, for every strategy and variant."""


def main() -> None:
    """Trains every network that is not finished, then prints the table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.torch_twin',
        description='Trains convnet1 by PyTorch and by us and compares the two.',
    )
    os.environ['OMP_NUM_THREADS'] = '1'
    from cnn_jax.errors import BadInput, unknown_name
    from cnn_jax.files import read_json, write_json
    from cnn_jax.runs.command_line import load_config
    from cnn_jax.runs.config import cells_of
    from cnn_jax.runs.setup import load_dataset

    for variant in options.variants:
        if variant not in VARIANTS:
            raise unknown_name('variant', variant, VARIANTS)
    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise BadInput('PyTorch is not installed: run this after `make oracles`.') from None
    from experiments.benchmarks import twin

    torch.set_num_threads(1)
    comparison = load_config(Path('configs/fashion_mnist/twin.py'))
    comparison = replace(comparison, seeds=options.seeds)
    dataset = load_dataset(comparison, log=lambda line: print(line, file=sys.stderr))
    cells = cells_of(comparison)
    options.output.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in options.seeds:
        for strategy in options.strategies:
            for variant in options.variants:
                file = options.output / f'{variant}-{strategy}-{seed}.json'
                if not file.exists():
                    made = twin.VARIANTS[variant]
                    result = twin.run_twin(made, strategy, cells[strategy, seed], dataset)
                    write_json(file, result)
                    print(variant, strategy, seed, result, flush=True)
                row = {'variant': variant, 'strategy': strategy, 'seed': seed}
                rows.append({**row, **read_json(file)})
    table = summary(rows)
    for line in table:
        print(line)
    if options.json is not None:
        write_json(options.json, {'table': table, 'networks': rows})


def summary(rows: Sequence[dict]) -> list[dict]:
    """For each strategy and variant the means with their standard errors.

    'difference' is its consistency minus that of 'ours', with the p-value of Welch's t-test.

    >>> rows = [
    ...     {'strategy': 'max', 'variant': variant, 'accuracy': 0.5, 'consistency': value}
    ...     for variant, value in (('ours', 0.5), ('ours', 0.7), ('torch', 0.7), ('torch', 0.9))
    ... ]
    >>> summary(rows)[1]['difference']
    {'mean': 0.2, 'standard_error': 0.1414, 'p_value': 0.2929}
    """
    from scipy.stats import ttest_ind_from_stats

    values: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        values.setdefault((row['strategy'], row['variant']), []).append(row)
    table = []
    for (strategy, variant), mine in values.items():
        line: dict = {'strategy': strategy, 'variant': variant, 'networks': len(mine)}
        for measure in ('accuracy', 'consistency'):
            line[measure] = mean_and_error([row[measure] for row in mine])
        ours = values.get((strategy, 'ours'), [])
        if variant != 'ours' and min(len(ours), len(mine)) > 1:
            theirs, base = ([row['consistency'] for row in some] for some in (mine, ours))
            spreads = statistics.stdev(theirs), statistics.stdev(base)
            means = statistics.fmean(theirs), statistics.fmean(base)
            _, p_value = ttest_ind_from_stats(
                means[0], spreads[0], len(theirs), means[1], spreads[1], len(base), equal_var=False
            )
            error = (spreads[0] ** 2 / len(theirs) + spreads[1] ** 2 / len(base)) ** 0.5
            line['difference'] = {
                'mean': round(means[0] - means[1], 4),
                'standard_error': round(error, 4),
                'p_value': float(f'{p_value:.4g}'),
            }
        table.append(line)
    return table


def mean_and_error(values: Sequence[float]) -> dict:
    """Mean and standard error; the latter is None for a single value.

    >>> mean_and_error([0.5, 0.7])
    {'mean': 0.6, 'standard_error': 0.1}
    """
    error = round(statistics.stdev(values) / len(values) ** 0.5, 4) if len(values) > 1 else None
    return {'mean': round(statistics.fmean(values), 4), 'standard_error': error}


if __name__ == '__main__':
    with exit_codes():
        main()
