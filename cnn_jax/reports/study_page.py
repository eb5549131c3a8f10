"""The page of a study: winners, agreement of ranks, which claims hold, what is undecided."""

from collections.abc import Mapping
from typing import Any

from cnn_jax.measures import measures_of
from cnn_jax.reports.claims import CLAIMS
from cnn_jax.reports.page import Block, Bullets, Page, Paragraph, Picture, Section, Table
from cnn_jax.reports.plots import plot_accuracy_consistency
from cnn_jax.reports.run import Run
from cnn_jax.reports.sections import MARKS, further_measures
from cnn_jax.reports.study import mean_ranks, pareto_front
from cnn_jax.reports.words import (
    NONE,
    answer,
    cells_note,
    interval_points,
    listing,
    percent,
    plural,
    points,
    short,
)
from cnn_jax.style import png, svg

Summaries = Mapping[str, Mapping[str, Any]]
_RANKED = ('accuracy', 'consistency', 'consistent_and_right', 'corruption_accuracy')
_NOT_HELD = {
    'undecided': 'undecided',
    'same': 'no difference here',
    'better': 'does not hold here',
    'worse': 'does not hold here',
}
_MOST_NAMED = 12


def study_page(title: str, runs: Mapping[str, Run], summaries: Summaries) -> Page:
    """The page, with its plots; `summaries` are those of the runs, under the same names."""
    lead: list[Block] = []
    for name, summary in summaries.items():
        lead.append(Paragraph(f'{name}: {answer(summary)}', 'answer'))
    codes = {
        cell.environment.get('code')
        for run in runs.values()
        for cell in run.cells
        if cell.environment
    }
    if len(codes) > 1:
        lead.append(
            Paragraph(
                f'The cells come from {len(codes)} versions of the code, as the study grew while '
                f'the package did: {", ".join(sorted(map(str, codes)))}.'
            )
        )
    sections = [_comparison(name, runs[name], summaries[name]) for name in summaries]
    sections += [_winners(summaries), *_ranks(summaries), _claims(summaries), _open(summaries)]
    return Page(title, tuple(lead), tuple(sections))


def _comparison(name: str, run: Run, summary: Mapping[str, Any]) -> Section:
    config = run.config
    epochs = plural(config.get('epochs', 0), 'epoch')
    seeds = plural(len(config.get('seeds', ())), 'seed')
    about = Paragraph(
        f'{config.get("model")} on {config.get("data")}, {epochs}, up to {seeds}. '
        f'{_rates(config)}{cells_note(summary) or ""}'
    )
    blocks: list[Block] = [about, results_table(summary)]
    further = further_measures(summary)
    if further:
        blocks.append(further.blocks[0])
    figure = plot_accuracy_consistency(summary)
    blocks.append(
        Picture(
            f'accuracy_consistency_{name}.png',
            png(figure),
            f'Accuracy against shift consistency of every strategy in {name}.',
            'Up is more accurate, right is more shift-consistent; bars are 95% t-intervals.',
            svg(plot_accuracy_consistency(summary), f'accuracy_consistency_{name}'),
        )
    )
    return Section(name, tuple(blocks))


def _rates(config: Mapping[str, Any]) -> str:
    rates = config.get('learning_rates') or {}
    if not rates:
        return ''
    by_rate: dict[float, list[str]] = {}
    for strategy, rate in rates.items():
        by_rate.setdefault(rate, []).append(strategy)
    said = '; '.join(
        f'{rate:g} for {listing(names, 50)}' for rate, names in sorted(by_rate.items())
    )
    return f'Learning rates chosen on a validation split: {said}. '


def results_table(summary: Mapping[str, Any]) -> Table:
    """Each strategy that has finished a seed, with its differences from the baseline."""
    found = {(row['strategy'], row['metric']): row for row in summary['comparisons']}
    rows = []
    for name, row in summary['strategies'].items():
        if not row['seeds']:
            continue
        cells = [name, str(len(row['seeds']))]
        for metric in ('accuracy', 'consistency'):
            compared = found.get((name, metric), {})
            cells += [
                percent(row[metric]),
                points(compared.get('difference')),
                interval_points(compared.get('ci95')),
                MARKS[compared['verdict']] if compared else NONE,
            ]
        cells += [
            percent(row['consistent_and_right']),
            f'{row["parameters"]:,}' if row['parameters'] else NONE,
            short(row['flops_per_example']),
        ]
        rows.append(tuple(cells))
    per = ('difference', '95% interval', 'verdict')
    head = ('strategy', 'seeds', 'accuracy %', *per, 'consistency %', *per)
    return Table(
        (*head, 'consistent and right %', 'parameters', 'FLOPs'),
        tuple(rows),
        numeric=frozenset((1, 2, 3, 4, 6, 7, 8, 10, 11, 12)),
        caption='Means over seeds ± half of the 95% t-interval; differences from the baseline are '
        'paired, in points; verdicts are corrected for all comparisons of this table.',
    )


def _winners(summaries: Summaries) -> Section:
    items = []
    for name, summary in summaries.items():
        good = {
            **summary,
            'strategies': {
                n: row
                for n, row in summary['strategies'].items()
                if row['seeds'] and not row['near_chance']
            },
        }
        for one, other, said in (
            ('accuracy', 'consistency', 'no other is both more accurate and more consistent'),
            ('accuracy', 'corruption_accuracy', 'no other is both more accurate and more robust'),
            ('accuracy', 'flops_per_example', 'no other is more accurate for as few FLOPs'),
        ):
            front = pareto_front(good, one, other) if good['strategies'] else []
            if front:
                items.append((f'{name}: {said}', f'{listing(front, _MOST_NAMED)}.'))
    return Section(
        'Fronts',
        (
            Paragraph(
                'By means alone, from the most accurate on; see the verdicts for what is decided.'
            ),
            Bullets(tuple(items)),
        ),
    )


def one_of_each_data_set(summaries: Summaries) -> Summaries:
    """The first comparison of each data set, so that no data set counts twice."""
    first: dict[str, str] = {}
    for name, summary in summaries.items():
        first.setdefault(str(summary['config'].get('data')), name)
    return {name: summaries[name] for name in first.values()}


def _ranks(summaries: Summaries) -> list[Section]:
    rows, notes = [], []
    for measure in _RANKED:
        ranked = mean_ranks(one_of_each_data_set(summaries), measure)
        if ranked is None:
            continue
        best = [f'{name} {rank:.1f}' for name, rank in ranked['ranks'].items()]
        rows.append(
            (
                measures_of({})[measure].label,
                ', '.join(best[:5]),
                ', '.join(best[-3:]),
                f'{ranked["p_value"]:.3f}',
                f'{ranked["critical"]:.1f}',
            )
        )
        notes = ranked['comparisons']
    if not rows:
        return []
    table = Table(
        ('measure', 'best mean ranks', 'worst', 'p (Friedman)', 'critical difference'),
        tuple(rows),
        numeric=frozenset((3, 4)),
        caption=f'Mean ranks over {listing(notes, 20)} (one comparison of each data set), of the '
        'strategies that all of these have; 1 is best. Two whose mean ranks differ by less than '
        'the critical difference (Nemenyi, 5%) cannot be told apart by their ranks.',
    )
    return [Section('Do the ranks agree over data sets?', (table,))]


def _claims(summaries: Summaries) -> Section:
    rows = []
    for claim in CLAIMS:
        for name, summary in summaries.items():
            there = {
                row['strategy']: row
                for row in summary['comparisons']
                if row['metric'] == claim.metric and row['baseline'] == 'max'
            }
            strategy = next((s for s in claim.strategies if s in there), None)
            row = there.get(strategy or '')
            if row is None or row['difference'] is None:
                continue
            held = 'holds here' if row['verdict'] in claim.holds else _NOT_HELD[row['verdict']]
            estimate = f'{points(row["difference"])} {interval_points(row["ci95"])}'
            rows.append((claim.text, claim.source, name, strategy or '', estimate, held))
    return Section(
        'Which published claims hold here',
        (
            Paragraph(
                'Small nets, few epochs, small images: what does not hold here may hold where it '
                'was claimed.'
            ),
            Table(
                ('claim', 'source', 'comparison', 'strategy', 'difference, points', 'verdict'),
                tuple(rows),
                numeric=frozenset((4,)),
                caption='Differences from max pooling with their 95% intervals.',
            ),
        ),
    )


def _open(summaries: Summaries) -> Section:
    rows = []
    for name, summary in summaries.items():
        for row in summary['comparisons']:
            if row['verdict'] == 'undecided' and row['difference'] is not None:
                needed = row['seeds_to_decide']
                rows.append(
                    (
                        name,
                        row['strategy'],
                        row['metric'],
                        f'{points(row["difference"])} {interval_points(row["ci95"])}',
                        str(row['seeds']),
                        'more than 10,000'
                        if needed is None and row['seeds'] > 1
                        else str(needed or NONE),
                    )
                )
    table = Table(
        ('comparison', 'strategy', 'metric', 'difference, points', 'seeds so far', 'seeds needed'),
        tuple(rows),
        numeric=frozenset((3, 4, 5)),
        caption='Needed: paired seeds that would decide with a chance of 80%, either that there is '
        'a difference or that it is within the margin, were the estimates the truth.',
        folded=len(rows) > 20,
    )
    return Section('What remains undecided', (table,))
