"""The results of a comparison as plain JSON values: the content of `summary.json`."""

import statistics as stdlib_statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cnn_jax.brought import said
from cnn_jax.measures import measures_of
from cnn_jax.reports.power import seeds_to_decide, smallest_difference
from cnn_jax.reports.run import CellResult, Run
from cnn_jax.reports.spread import accuracy_spread
from cnn_jax.reports.statistics import (
    mean_interval,
    share_interval,
    sign_flip_p_value,
    standard_deviation,
)
from cnn_jax.reports.verdicts import ALPHA, Decision, decide, taken_looks

NEAR_CHANCE = 3.0, 0.25, 0.5
"""Limits of `near_chance`: times chance; part of the way to 1; part of the way to the best."""

METRICS = ('accuracy', 'consistency')
"""The metrics in which strategies are compared with the baseline; higher is better for both."""


def summarize_run(run: Run) -> dict[str, Any]:
    """Means with 95% t-intervals over seeds, and paired comparisons with the baseline.

    Shares (accuracy, consistency) are in [0, 1]. Only completed cells are used; every strategy
    lists the seeds that are (`seeds`, in the order of `values`) and those that are not (`missing`,
    of which `failed` raised an error, and `diverged`). Intervals of fewer than 2 seeds, and values
    that were not measured, are None. Intervals of shares are clipped to [0, 1].
    `consistent_and_right` is the share of images that get their true class under both shifts;
    `near_chance` (see the function) flags a strategy whose accuracy is so low that its consistency
    says little. Throughput is the median over seeds. Verdicts follow `cnn_jax.reports.verdicts`;
    the family is all strategies that share a seed with the baseline, in all metrics. Each
    comparison also has `p_sign_flip`, of the exact sign-flip test; `smallest_difference`, which
    these seeds would have detected with 80% power; and `seeds_to_decide`, how many an undecided
    verdict would need if the estimates were the truth. For a strategy's `spread` see
    `cnn_jax.reports.spread`.

    >>> from pathlib import Path
    >>> config = {'baseline': 'max', 'strategies': {}}
    >>> result = {'accuracy': 0.9, 'consistency': 0.7}
    >>> cell = CellResult('max', 0, Path(), 'completed', result, {}, ())
    >>> summary = summarize_run(Run(Path(), config, (), (cell,)))
    >>> summary['strategies']['max']['accuracy']
    {'mean': 0.9, 'ci95': None, 'values': [0.9]}
    >>> summary['comparisons']
    []
    """
    finished = [cell for cell in run.cells if cell.status == 'completed']
    strategies = {name: _strategy(run, name) for name in run.strategies}
    means = {name: row['accuracy']['mean'] for name, row in strategies.items()}
    chance = len(run.class_names) if run.config.get('task') is None else 0
    for name, row in strategies.items():
        row['near_chance'] = near_chance(means[name], means.values(), chance)
    return {
        'config': dict(run.config),
        'environment': dict(finished[0].environment) if finished else {},
        'strategies': strategies,
        'comparisons': _comparisons(run),
    }


def near_chance(accuracy: float | None, all_: Iterable[float | None], classes: int) -> bool:
    """Whether a network of that accuracy, among those of `all_`, learned too little to be judged.

    True if its accuracy is below three times chance (1 / `classes`) and at most a quarter of the
    way from chance to 1, or if it is less than half as far above chance as the best of `all_`. With
    `classes` 0 (unknown), chance is taken as 0 and only the second condition applies.

    >>> near_chance(0.29, [0.29, 0.9], 10), near_chance(0.29, [0.29], 10)
    (True, True)
    >>> near_chance(0.6, [0.6, 0.9], 10), near_chance(0.6, [0.6], 2), near_chance(0.2, [0.2], 1000)
    (False, True, False)
    """
    if accuracy is None:
        return False
    times, of_all, of_best = NEAR_CHANCE
    chance = 1 / classes if classes else 0.0
    best = max(other for other in all_ if other is not None)
    low = accuracy < times * chance and accuracy - chance <= of_all * (1 - chance)
    return low or accuracy - chance < of_best * (best - chance)


def _strategy(run: Run, name: str) -> dict[str, Any]:
    completed, diverged = run.select(name, 'completed'), run.select(name, 'diverged')
    of_strategy = [cell for cell in run.cells if cell.strategy == name]
    return {
        'accuracy': _over_seeds(_numbers(completed, 'accuracy')),
        'consistency': _over_seeds(_numbers(completed, 'consistency')),
        'examples_per_second': _median(completed, 'examples_per_second'),
        'inference_per_second': _median(completed, 'inference_per_second'),
        'parameters': _first(completed + diverged, 'parameters'),
        'flops_per_example': _first(completed + diverged, 'flops_per_example'),
        'activation_bytes': _first(completed + diverged, 'activation_bytes'),
        **{
            name: (_over_seeds if measure.percent else _own)(_numbers(completed, name))
            for name, measure in measures_of(run.config).items()
            if name not in METRICS
        },
        **{name: _own(_numbers(completed, name)) for name in own_metrics(run.config)},
        'spread': accuracy_spread(completed),
        'seeds': [cell.seed for cell in completed],
        'missing': [c.seed for c in of_strategy if c.status in ('missing', 'failed')],
        'failed': [cell.seed for cell in run.select(name, 'failed')],
        'diverged': [cell.seed for cell in diverged],
    }


def _median(cells: Sequence[CellResult], key: str) -> float | None:
    values = _numbers(cells, key)
    return stdlib_statistics.median(values) if values else None


def _numbers(cells: Sequence[CellResult], key: str) -> list[float]:
    values = (cell.result.get(key) for cell in cells)
    return [float(value) for value in values if isinstance(value, float | int)]


def _first(cells: Sequence[CellResult], key: str) -> int | float | None:
    values = (cell.result.get(key) for cell in cells)
    return next((value for value in values if isinstance(value, float | int)), None)


def _over_seeds(values: list[float]) -> dict[str, Any]:
    if not values:
        return {'mean': None, 'ci95': None, 'values': []}
    estimate = share_interval(values)
    return {'mean': estimate.mean, 'ci95': _ends(estimate.ci95), 'values': values}


def own_metrics(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the user's own metrics in the config.

    >>> own_metrics({})
    ()
    """
    metrics = config.get('evaluation', {}).get('metrics', ())
    return tuple(said(metric) for metric in metrics)


def _own(values: list[float]) -> dict[str, Any]:
    """As `_over_seeds`, for numbers of any range."""
    if not values:
        return {'mean': None, 'ci95': None, 'values': []}
    estimate = mean_interval(values)
    return {'mean': estimate.mean, 'ci95': _ends(estimate.ci95), 'values': values}


def _ends(ci95: tuple[float, float] | None) -> list[float] | None:
    return None if ci95 is None else list(ci95)


def _comparisons(run: Run) -> list[dict[str, Any]]:
    """A row for each metric and strategy except the baseline; none if the run has no baseline."""
    if run.baseline not in run.strategies:
        return []
    others = [name for name in run.strategies if name != run.baseline]
    family = {
        (metric, name): _differences(run, name, metric)
        for metric in (*METRICS, *own_metrics(run.config))
        for name in others
    }
    within = {key: run.same_within if key[0] in METRICS else 0.0 for key in family}
    looks = None
    if run.looks:
        not_ended = {cell.seed for cell in run.cells if cell.status == 'missing'}
        seeds = tuple(dict.fromkeys(cell.seed for cell in run.cells))
        looks = taken_looks(run.looks, seeds, not_ended)
    decisions = decide(family, same_within=within, looks=looks)
    return [
        {'baseline': run.baseline, 'strategy': name, 'metric': metric}
        | _comparison(
            differences, decisions.get((metric, name)), len(decisions), within[metric, name]
        )
        for (metric, name), differences in family.items()
    ]


def _differences(run: Run, strategy: str, metric: str) -> dict[int, float]:
    """Strategy minus baseline for each seed that both have completed."""
    values, baseline = (
        {cell.seed: float(cell.result[metric]) for cell in run.select(name, 'completed')}
        for name in (strategy, run.baseline)
    )
    return {seed: value - baseline[seed] for seed, value in values.items() if seed in baseline}


_EMPTY = ('difference', 'ci95', 'p_value', 'p_holm', 'p_same', 'p_sign_flip')
_EMPTY += ('smallest_difference', 'seeds_to_decide')


def _comparison(
    differences: Mapping[int, float], decision: Decision | None, family: int, within: float
) -> dict[str, Any]:
    if decision is None:
        return {**dict.fromkeys(_EMPTY), 'seeds': 0, 'verdict': 'undecided'}
    values = [differences[seed] for seed in decision.seeds]
    estimate = mean_interval(values)
    sd = standard_deviation(values) if len(values) > 1 else None
    alpha = (decision.alpha or ALPHA) / family  # that of the strictest step in Holm's correction
    wanted = decision.verdict == 'undecided' and sd is not None
    return {
        'difference': estimate.mean,
        'ci95': _ends(estimate.ci95),
        'p_value': decision.p_value,
        'p_holm': decision.p_holm,
        'p_same': decision.p_same,
        'p_sign_flip': sign_flip_p_value(values),
        'smallest_difference': None if sd is None else smallest_difference(sd, len(values), alpha),
        'seeds_to_decide': seeds_to_decide(estimate.mean, sd, alpha, within=within)
        if wanted and sd is not None
        else None,
        'seeds': len(decision.seeds),
        'verdict': decision.verdict,
    }
