"""The user's own metrics: their section of the report and their terminal output."""

from collections.abc import Mapping
from typing import Any

from cnn_jax.reports.page import Section, Table
from cnn_jax.reports.words import NONE, probability


def own_section(summary: Mapping[str, Any], names: tuple[str, ...]) -> Section | None:
    """Means and differences from the baseline, in the metrics' units; None without own metrics.

    >>> own_section({'strategies': {}, 'comparisons': []}, ())
    """
    if not names:
        return None
    found = {(row['metric'], row['strategy']): row for row in summary['comparisons']}
    rows = []
    for name in names:
        for strategy, measured in summary['strategies'].items():
            row = found.get((name, strategy), {})
            rows.append(
                (
                    name,
                    strategy,
                    number(measured[name]['mean']),
                    interval(measured[name]['ci95']),
                    number(row.get('difference'), signed=True),
                    interval(row.get('ci95')),
                    probability(row.get('p_holm')),
                    row.get('verdict', NONE),
                )
            )
    head = ('metric', 'strategy', 'mean', '95% interval', 'difference', '95% interval')
    caption = (
        'What the functions of this config returned, over seeds; differences are paired with the '
        'baseline, and "better" means higher.'
    )
    table = Table((*head, 'p (Holm)', 'verdict'), tuple(rows), frozenset(range(2, 7)), caption)
    return Section('Metrics of your own', (table,))


def number(value: float | None, *, signed: bool = False) -> str:
    """The value with four significant digits, or a dash for None.

    >>> number(0.123456), number(2.0, signed=True), number(None)
    ('0.1235', '+2', '–')
    """
    return NONE if value is None else f'{value:+.4g}' if signed else f'{value:.4g}'


def interval(ends: list[float] | None) -> str:
    """Both ends in brackets, or a dash for None.

    >>> interval([0.5, 2.0]), interval(None)
    ('[0.5, 2]', '–')
    """
    return NONE if ends is None else f'[{number(ends[0])}, {number(ends[1])}]'
