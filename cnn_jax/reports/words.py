"""Numbers and findings in words; all functions read only the summary."""

from collections.abc import Mapping, Sequence
from typing import Any

from cnn_jax.reports.run import SAME_WITHIN
from cnn_jax.reports.summary import METRICS

NONE = '–'
"""Shown where nothing was measured."""

_CLAIMS = {
    ('accuracy', 'better'): 'more accurate',
    ('accuracy', 'worse'): 'less accurate',
    ('consistency', 'better'): 'more shift-consistent',
    ('consistency', 'worse'): 'less shift-consistent',
    ('accuracy', 'same'): 'as accurate to within {within:g} points',
    ('consistency', 'same'): 'as shift-consistent to within {within:g} points',
}


def percent(spread: Mapping[str, Any]) -> str:
    """A mean share in percent, with the half-width of its 95% interval if it has one.

    An interval that ends at 0 or 100 is not symmetric about the mean, so its two ends are given.

    >>> percent({'mean': 0.8921, 'ci95': [0.8871, 0.8971]}), percent({'mean': 0.5, 'ci95': None})
    ('89.21 ± 0.50', '50.00')
    >>> percent({'mean': 0.9653, 'ci95': [0.9024, 1.0]})
    '96.53 [90.24, 100]'
    """
    if spread['mean'] is None:
        return NONE
    mean = f'{100 * spread["mean"]:.2f}'
    if spread['ci95'] is None:
        return mean
    low, high = spread['ci95']
    if low < high and (low <= 0 or high >= 1):
        ends = (f'{100 * end:.2f}' if 0 < end < 1 else f'{100 * end:.0f}' for end in (low, high))
        return f'{mean} [{", ".join(ends)}]'
    return f'{mean} ± {50 * (high - low):.2f}'


def points(difference: float | None) -> str:
    """A difference of shares in percentage points, with its sign.

    >>> points(0.0123), points(None)
    ('+1.23', '–')
    """
    return NONE if difference is None else f'{100 * difference:+.2f}'


def interval_points(ci95: Sequence[float] | None) -> str:
    """An interval of a difference of shares, in percentage points.

    >>> interval_points([-0.001, 0.02])
    '[-0.10, +2.00]'
    """
    return NONE if ci95 is None else f'[{points(ci95[0])}, {points(ci95[1])}]'


def probability(p_value: float | None) -> str:
    """A p-value with four decimals.

    >>> probability(0.03125), probability(0.00001)
    ('0.0312', '<0.0001')
    """
    if p_value is None:
        return NONE
    return f'{p_value:.4f}' if p_value >= 0.0001 else '<0.0001'


def count(number: int | float | None) -> str:
    """A count with thousands separators.

    >>> count(29034)
    '29,034'
    """
    return NONE if number is None else f'{number:,.0f}'


def short(number: int | float | None) -> str:
    """A large number with three significant digits and a prefix: k, M, G, T.

    >>> short(5_612_345), short(12), short(999_999)
    ('5.61 M', '12', '1 M')
    """
    if number is None:
        return NONE
    value, prefixes = float(f'{number:.3g}'), ['', ' k', ' M', ' G', ' T']
    while abs(value) >= 1000 and len(prefixes) > 1:
        value, prefixes = value / 1000, prefixes[1:]
    return f'{value:.3g}{prefixes[0]}'


def plural(number: int, noun: str) -> str:
    """A number with its noun.

    >>> plural(1, 'seed'), plural(3, 'seed')
    ('1 seed', '3 seeds')
    """
    return f'{number} {noun}' if number == 1 else f'{number} {noun}s'


def listing(names: Sequence[str], at_most: int = 6) -> str:
    """Names joined as in a sentence; a long list is cut, with the number of those left out.

    >>> listing(['a', 'b', 'c']), listing(['a', 'b', 'c'], at_most=2)
    ('a, b and c', 'a, b and 1 more')
    """
    shown = list(names[:at_most])
    if len(names) > at_most:
        shown.append(f'{len(names) - at_most} more')
    return ' and '.join([*([', '.join(shown[:-1])] if len(shown) > 1 else []), *shown[-1:]])


def pair_counts(summary: Mapping[str, Any]) -> list[int]:
    """How many seeds each strategy shares with the baseline; those that share none are left out.

    >>> seeds = {'max': {'seeds': [0, 1]}, 'avg': {'seeds': [1]}}
    >>> rows = [{'baseline': 'max', 'strategy': 'avg', 'metric': 'accuracy'}]
    >>> pair_counts({'strategies': seeds, 'comparisons': rows})
    [1]
    """
    seeds = {name: set(row['seeds']) for name, row in summary['strategies'].items()}
    rows = (row for row in summary['comparisons'] if row['metric'] == METRICS[0])
    shared = (len(seeds[row['strategy']] & seeds[row['baseline']]) for row in rows)
    return [number for number in shared if number]


def answer(summary: Mapping[str, Any]) -> str:
    """One sentence on what was decided, from the verdicts alone.

    >>> answer({'config': {}, 'strategies': {}, 'comparisons': []})
    'No cell has finished yet, so there is nothing to compare.'
    """
    strategies, baseline = summary['strategies'], summary['config'].get('baseline')
    finished = [name for name, row in strategies.items() if row['seeds']]
    if not finished:
        return 'No cell has finished yet, so there is nothing to compare.'
    if len(finished) == 1:
        alone = 'is the only strategy' if len(strategies) == 1 else 'alone has finished'
        return (
            f'{finished[0]} {alone}, so there is nothing to compare it with: '
            f'accuracy {percent(strategies[finished[0]]["accuracy"])}%, '
            f'shift consistency {percent(strategies[finished[0]]["consistency"])}%.'
        )
    pairs = pair_counts(summary)
    if not pairs:
        return f'No strategy shares a finished seed with the baseline {baseline}: nothing compared.'
    low, high = min(pairs), max(pairs)
    over = plural(high, 'paired seed') if low == high else f'{low} to {high} paired seeds'
    start = f'Compared with {baseline} over {over},'
    verdicts: dict[str, dict[str, str]] = {}
    for row in summary['comparisons']:
        verdicts.setdefault(row['strategy'], {})[row['metric']] = row['verdict']
    within = 100 * summary['config'].get('same_within', SAME_WITHIN)
    groups: dict[str, list[str]] = {}
    for name, found in verdicts.items():
        claims = [_CLAIMS[pair].format(within=within) for pair in found.items() if pair in _CLAIMS]
        groups.setdefault(' and '.join(claims), []).append(name)
    decided = [
        f'{listing(names)} {"is" if len(names) == 1 else "are"} {claim}'
        for claim, names in groups.items()
        if claim
    ]
    if not decided:
        return f'{start} no difference is decided, neither in accuracy nor in shift consistency.'
    undecided = any(row['verdict'] == 'undecided' for row in summary['comparisons'])
    end = '; every other difference is undecided.' if undecided else '.'
    return f'{start} {"; ".join(decided)}{end}'


def measured(summary: Mapping[str, Any]) -> str | None:
    """The strategy with the highest mean in each metric; a description, not a decision.

    >>> measured({'config': {}, 'strategies': {}, 'comparisons': []})
    """
    rows = {name: row for name, row in summary['strategies'].items() if row['seeds']}
    if len(rows) < 2:
        return None
    names = {
        'accuracy': 'mean accuracy',
        'consistency': 'mean shift consistency',
        'consistent_and_right': 'share of images that are both consistent and right',
    }
    found = []
    for metric, said in names.items():
        able = [
            name
            for name, row in rows.items()
            if row.get(metric, {}).get('mean') is not None
            and (metric == 'accuracy' or not row.get('near_chance'))
        ]
        if able:
            best = max(able, key=lambda name: rows[name][metric]['mean'])
            found.append(f'Highest measured {said}: {best}, {percent(rows[best][metric])}%.')
    return ' '.join(found)


def chance_note(summary: Mapping[str, Any]) -> str | None:
    """Names the strategies whose networks learned too little for their consistency to count.

    >>> row = {'seeds': [0], 'near_chance': True, 'accuracy': {'mean': 0.29, 'ci95': None}}
    >>> chance_note({'strategies': {'sum': row}}).split(': ')[0]
    'Hardly learned anything, so that their consistency says little'
    """
    low = {n: r for n, r in summary['strategies'].items() if r['seeds'] and r.get('near_chance')}
    if not low:
        return None
    accuracies = [f'{name} (accuracy {percent(row["accuracy"])}%)' for name, row in low.items()]
    return (
        f'Hardly learned anything, so that their consistency says little: {listing(accuracies)}. '
        'A network that always gives one answer is consistent everywhere.'
    )


def power_note(summary: Mapping[str, Any]) -> str | None:
    """The differences that the seeds could have detected, and the seeds that the rest would need.

    >>> row = {'seeds': 8, 'smallest_difference': 0.012, 'seeds_to_decide': 30}
    >>> found = {'strategy': 'avg', 'metric': 'accuracy', 'verdict': 'undecided', **row}
    >>> print(power_note({'comparisons': [found]}))
    These seeds show a difference, with a chance of 80%, from 1.20 points on in accuracy. \
What is undecided would take about 30 paired seeds.
    """
    ranges = []
    for metric in METRICS:
        sizes = [
            row['smallest_difference']
            for row in summary['comparisons']
            if row['metric'] == metric and row.get('smallest_difference') is not None
        ]
        if sizes:
            low, high = (f'{100 * size:.2f}' for size in (min(sizes), max(sizes)))
            ranges.append(f'{low if low == high else f"{low} to {high}"} points on in {metric}')
    if not ranges:
        return None
    undecided = [
        row for row in summary['comparisons'] if row['verdict'] == 'undecided' and row['seeds'] > 1
    ]
    text = f'These seeds show a difference, with a chance of 80%, from {" and ".join(ranges)}.'
    if not undecided:
        return text
    needed = [row['seeds_to_decide'] for row in undecided]
    if any(number is None for number in needed):
        return f'{text} What is undecided would take more than 10,000 paired seeds.'
    return f'{text} What is undecided would take about {max(needed):,} paired seeds.'


def cells_note(summary: Mapping[str, Any]) -> str | None:
    """Counts the cells that are left out of every mean, or None where all have completed.

    >>> row = {'seeds': [0], 'missing': [1], 'diverged': [2]}
    >>> cells_note({'strategies': {'max': row}})
    '1 of 3 cells completed; 1 not finished, 1 diverged: left out of every mean and comparison.'
    """
    rows = summary['strategies'].values()
    done, missing, diverged, failed = (
        sum(len(row.get(key, ())) for row in rows)
        for key in ('seeds', 'missing', 'diverged', 'failed')
    )
    if not missing and not diverged:
        return None
    parts = [f'{missing - failed} not finished'] if missing > failed else []
    parts += [f'{failed} failed'] if failed else []
    parts += [f'{diverged} diverged'] if diverged else []
    total = done + missing + diverged
    return (
        f'{done} of {plural(total, "cell")} completed; {", ".join(parts)}: '
        'left out of every mean and comparison.'
    )
