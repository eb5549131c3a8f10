"""A study's cells as runs, one per comparison, and statistics across comparisons."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from cnn_jax.compact import TUNING_SEED, Compact, read_compact
from cnn_jax.errors import require
from cnn_jax.measures import measures_of
from cnn_jax.reports.run import CellResult, Run


def study_runs(folder: Path) -> tuple[str, dict[str, Run]]:
    """The title of a study and its comparisons by name, from its compact form.

    Runs made only to choose learning rates are left out. Raises `BadInput`, naming the file, where
    the folder holds no study or a damaged one.

    >>> study_runs(Path('no_such_folder'))
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no study.json in no_such_folder: give the output folder of a study.
    """
    compact = read_compact(folder)
    runs = {
        name: _run(folder, name, content, compact)
        for name, content in compact.comparisons.items()
        if TUNING_SEED not in content['config']['seeds']
    }
    require(len(runs) > 0, f'the study in {folder} has no comparison yet: run it.')
    return compact.title, runs


def _run(folder: Path, name: str, content: Mapping[str, Any], compact: Compact) -> Run:
    cells = tuple(
        _cell(entry, compact.cells.get(entry['cell']), compact) for entry in content['cells']
    )
    config = {**content['config'], 'title': content['config'].get('title') or name}
    return Run(folder, config, tuple(content.get('class_names', ())), cells)


def _cell(entry: Mapping[str, Any], row: Mapping[str, Any] | None, compact: Compact) -> CellResult:
    strategy, seed = entry['strategy'], entry['seed']
    place = Path(entry['cell'])  # only a name: nothing else in a study's folder is read
    if row is None:
        return CellResult(strategy, seed, place, 'missing', {}, {}, ())
    return CellResult(
        strategy,
        seed,
        place,
        row['result']['status'],
        row['result'],
        compact.environments[row['environment']],
        tuple(row['curve']),
    )


def mean_ranks(summaries: Mapping[str, Mapping[str, Any]], measure: str) -> dict[str, Any] | None:
    """Mean ranks of the strategies over comparisons, 1 is best, with tests of whether they differ.

    Covers the strategies that all comparisons share. Friedman's test (1937) tests whether all rank
    alike; two strategies whose mean ranks differ by more than Nemenyi's `critical` difference
    (Demsar 2006, JMLR 7, section 3.2.2) differ at the 5% level. None for fewer than two comparisons
    or three strategies.

    >>> mean_ranks({'a': {'strategies': {}}}, 'accuracy') is None
    True
    """
    tables = {
        name: {
            strategy: row[measure]['mean']
            for strategy, row in summary['strategies'].items()
            if row[measure]['mean'] is not None
        }
        for name, summary in summaries.items()
    }
    common = [
        s for s in next(iter(tables.values())) if all(s in table for table in tables.values())
    ]
    if len(tables) < 2 or len(common) < 3:
        return None
    first = next(iter(summaries.values()))
    known = measures_of(first.get('config', {}))[measure]
    sign = 1 if known.higher_is_better is False else -1
    values = np.array([[sign * table[s] for s in common] for table in tables.values()])
    ranks = stats.rankdata(values, axis=1).mean(0)
    test = stats.friedmanchisquare(*values.T)
    number, blocks = len(common), len(tables)
    studentized = stats.studentized_range.isf(0.05, number, np.inf) / math.sqrt(2)
    order = np.argsort(ranks, kind='stable')
    return {
        'ranks': {common[i]: float(ranks[i]) for i in order},
        'p_value': float(test.pvalue),
        'critical': float(studentized * math.sqrt(number * (number + 1) / (6 * blocks))),
        'comparisons': list(tables),
    }


def pareto_front(summary: Mapping[str, Any], one: str, other: str) -> list[str]:
    """The strategies that no other beats in both measures, starting with the best in `one`.

    `other` may also be 'flops_per_example', of which less is better.

    >>> row = lambda a, b: {'accuracy': {'mean': a}, 'consistency': {'mean': b}}
    >>> rows = {'max': row(0.9, 0.6), 'blur': row(0.8, 0.7), 'sum': row(0.7, 0.65)}
    >>> pareto_front({'strategies': rows}, 'accuracy', 'consistency')
    ['max', 'blur']
    """

    def value(row: Mapping[str, Any], name: str) -> float | None:
        if name == 'flops_per_example':
            return None if row[name] is None else -float(row[name])
        mean = row[name]['mean']
        return None if mean is None else float(mean)

    points = {
        name: (value(row, one), value(row, other)) for name, row in summary['strategies'].items()
    }
    known = {
        name: (first, second)
        for name, (first, second) in points.items()
        if first is not None and second is not None
    }
    front = [
        name
        for name, (first, second) in known.items()
        if not any(
            a >= first and b >= second and (a > first or b > second) for a, b in known.values()
        )
    ]
    return sorted(front, key=lambda name: -known[name][0])
