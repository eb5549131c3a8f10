"""Does the quick study's CIFAR-10 network do as well when written in PyTorch?

.venv-oracles/bin/python -m experiments.torch_quick --output runs/torch_quick

Trains the network and recipe of `cifar10` in configs/studies/quick.py, written in PyTorch alone
(experiments/benchmarks/torch_quick.py), and compares with the same seeds of the committed study.
Needs the environment of `make oracles`; about two minutes per network on one core; an interrupted
run resumes. `--json FILE` writes the table.
"""

import os
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.exits import exit_codes, parse_options

STRATEGIES = ('max', 'max_blur3')


@dataclass(frozen=True)
class Options:
    """What to run."""

    output: Path
    """Folder for the finished networks' results, one small file each."""
    json: Path | None = None
    """File for the table."""
    study: Path = Path('experiments/results/studies/quick')
    """The study to compare with."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One network each, for either strategy."""


def main() -> None:
    """Trains every network that is not finished, then prints the table."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.torch_quick',
        description="Trains the quick study's CIFAR-10 network in PyTorch alone.",
    )
    os.environ['OMP_NUM_THREADS'] = '1'
    from cnn_jax.compact import read_compact
    from cnn_jax.data import load
    from cnn_jax.errors import BadInput
    from cnn_jax.files import read_json, write_json

    try:
        import torch  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise BadInput('PyTorch is not installed: run this after `make oracles`.') from None
    from experiments.benchmarks import torch_quick

    torch.set_num_threads(1)
    study = read_compact(options.study)
    entries = study.comparisons.get('cifar10', {}).get('cells', [])
    cells = {(entry['strategy'], entry['seed']): entry['cell'] for entry in entries}
    options.output.mkdir(parents=True, exist_ok=True)
    dataset = load('cifar10')
    rows = []
    for seed in options.seeds:
        for strategy in STRATEGIES:
            file = options.output / f'{strategy}-{seed}.json'
            if not file.exists():
                net = torch_quick.train(strategy, seed, dataset)
                write_json(file, torch_quick.judged(net, seed, dataset))
                print(strategy, seed, read_json(file), file=sys.stderr, flush=True)
            rows.append({'who': 'torch', 'strategy': strategy, 'seed': seed, **read_json(file)})
            ours = study.cells.get(cells.get((strategy, seed), ''))
            if ours is not None:
                measured = {m: ours['result'][m] for m in ('accuracy', 'consistency')}
                rows.append({'who': 'ours', 'strategy': strategy, 'seed': seed, **measured})
    table = summary(rows)
    for line in table:
        print(line)
    if options.json is not None:
        write_json(options.json, {'table': table, 'networks': rows})


def summary(rows: list[dict]) -> list[dict]:
    """For each strategy and measure both means, and their difference over its standard error.

    >>> rows = [
    ...     {'who': who, 'strategy': 'max', 'accuracy': value, 'consistency': value}
    ...     for who, value in (('torch', 0.7), ('torch', 0.8), ('ours', 0.8), ('ours', 0.9))
    ... ]
    >>> summary(rows)[0]
    {'strategy': 'max', 'measure': 'accuracy', 'torch': 0.75, 'ours': 0.85, 'networks': [2, 2], \
'difference': 0.1, 'standard_errors': 1.41}
    """
    table = []
    for strategy in dict.fromkeys(row['strategy'] for row in rows):
        for measure in ('accuracy', 'consistency'):
            sides = {
                who: [r[measure] for r in rows if (r['who'], r['strategy']) == (who, strategy)]
                for who in ('torch', 'ours')
            }
            means = {w: round(statistics.fmean(v), 4) if v else None for w, v in sides.items()}
            line = {'strategy': strategy, 'measure': measure, **means}
            line['networks'] = [len(values) for values in sides.values()]
            if min(line['networks']) > 1:
                difference = statistics.fmean(sides['ours']) - statistics.fmean(sides['torch'])
                error = sum(statistics.variance(v) / len(v) for v in sides.values()) ** 0.5
                line['difference'] = round(difference, 4)
                line['standard_errors'] = round(difference / error, 2) if error else None
            table.append(line)
    return table


if __name__ == '__main__':
    with exit_codes():
        main()
