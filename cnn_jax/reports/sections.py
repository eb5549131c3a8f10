"""The content of a report: the sections of the page, built from a run and its summary."""

from collections.abc import Collection, Mapping
from typing import Any

from matplotlib.figure import Figure

from cnn_jax.measures import Measure, headlines, measures_of
from cnn_jax.reports.curves import OVERLAY_UP_TO, plot_learning_curves
from cnn_jax.reports.own_metrics import own_section
from cnn_jax.reports.page import Block, Bullets, Link, Page, Paragraph, Picture, Section, Table
from cnn_jax.reports.pictures import PICTURES, choose_pictures, plot_pictures
from cnn_jax.reports.plots import (
    best,
    plot_accuracy_consistency,
    plot_cost,
    plot_differences,
)
from cnn_jax.reports.protocol import environment_section, leftover_cells, protocol
from cnn_jax.reports.reading import how_to_read
from cnn_jax.reports.run import Run
from cnn_jax.reports.shift_maps import choose_shift_panels, plot_shift_maps
from cnn_jax.reports.spread import spread_section
from cnn_jax.reports.summary import METRICS, own_metrics
from cnn_jax.reports.words import (
    NONE,
    answer,
    cells_note,
    chance_note,
    count,
    interval_points,
    listing,
    measured,
    pair_counts,
    percent,
    plural,
    points,
    power_note,
    probability,
    short,
)
from cnn_jax.style import png, svg

GALLERY = 'gallery.html'
MARKS = {
    'better': '▲\N{NO-BREAK SPACE}better',
    'worse': '▼\N{NO-BREAK SPACE}worse',
    'same': '＝\N{NO-BREAK SPACE}the same',
    'undecided': '○\N{NO-BREAK SPACE}undecided',
}


def build_page(run: Run, summary: Mapping[str, Any]) -> Page:
    """The report of a run, with its plots; `summary` is the result of `summarize_run(run)`.

    >>> from pathlib import Path
    >>> page = build_page(Run(Path('empty'), {}, (), ()), {
    ...     'config': {}, 'environment': {}, 'strategies': {}, 'comparisons': []})
    >>> page.title, page.pictures
    ('empty', ())
    """
    lead: list[Block] = [Paragraph(answer(summary), 'answer')]
    lead += [Paragraph(text) for text in (measured(summary), power_note(summary)) if text]
    notes = (chance_note(summary), cells_note(summary))
    lead += [Paragraph(note, 'warning') for note in notes if note]
    if (run.folder / GALLERY).is_file():
        lead.append(Link('What the networks do inside: filters, maps, shifts', GALLERY))
    sections = [_results(run, summary)]
    if pair_counts(summary):
        sections.insert(0, _differences_plot(summary))
    if any(row['seeds'] for row in summary['strategies'].values()):
        looked_at = _shift_maps if run.task == 'classification' else _pictures
        sections += [_trade_off(summary), _curves(run), looked_at(run)]
        further = (
            further_measures(summary),
            own_section(summary, own_metrics(run.config)),
            spread_section(summary['strategies']),
        )
        sections += [section for section in further if section]
        sections += [_cost(summary), _per_seed(summary)]
    sections += [
        how_to_read(run),
        protocol(run),
        environment_section(run, summary),
        leftover_cells(run),
    ]
    return Page(run.title, tuple(lead), tuple(sections))


def _picture(figure: Figure, name: str, alternative: str, caption: str) -> Picture:
    return Picture(f'{name}.png', png(figure), alternative, caption, svg(figure, name))


def _differences_plot(summary: Mapping[str, Any]) -> Section:
    baseline = summary['comparisons'][0]['baseline']
    picture = _picture(
        plot_differences(summary),
        'differences',
        f'Difference of each strategy from {baseline} with its interval, in accuracy and in shift '
        'consistency; values are in the table below.',
        'Large marks are means over paired seeds, bars their 95% intervals, small marks single '
        'seeds. Right of the line is better. Filled marks are decided, open ones undecided.',
    )
    return Section(f'Difference from {baseline}', (picture,))


def _results(run: Run, summary: Mapping[str, Any]) -> Section:
    rows = []
    known = measures_of(run.config)
    shown = {name: known[name] for name in headlines(run.task)}
    answered = any(row['inference_per_second'] for row in summary['strategies'].values())
    for name, row in summary['strategies'].items():
        done = len(row['seeds'])
        total = done + len(row['missing']) + len(row['diverged'])
        rows.append(
            (
                name,
                f'{done}' if done == total else f'{done} of {total}',
                *(_value(row[name], measure) for name, measure in shown.items()),
                count(row['examples_per_second']),
                *((count(row['inference_per_second']),) if answered else ()),
                count(row['parameters']),
                short(row['flops_per_example']),
            )
        )
    head = ('strategy', 'seeds', *map(_head, shown.values()), 'images/s')
    head += (*(('answers/s',) if answered else ()), 'parameters', 'FLOPs/image')
    measurements = Table(
        head,
        tuple(rows),
        numeric=frozenset(range(1, len(head))),
        caption='Mean over seeds ± half of the 95% t-interval, or its two ends where it would pass '
        '0 or 100 and is cut there; shares are in percent.',
    )
    if not pair_counts(summary):
        text = (
            'No differences: no other strategy shares a finished seed with the baseline '
            f'({run.baseline or "none is named"}).'
        )
        return Section('Results', (measurements, Paragraph(text)))
    return Section('Results', (measurements, _differences(summary)))


def _head(measure: Measure) -> str:
    unit = '\N{NO-BREAK SPACE}%' if measure.percent else ''
    return f'{measure.label}{unit}'


def further_measures(
    summary: Mapping[str, Any], *, but: Collection[str] | None = None
) -> Section | None:
    """The measures of each strategy besides the task's headlines, or besides those of `but`.

    None where there are none.

    >>> further_measures({'strategies': {}})
    """
    rows = {name: row for name, row in summary['strategies'].items() if row['seeds']}
    there = {
        name: measure
        for name, measure in measures_of(summary.get('config', {})).items()
        if (measure.chosen_as is not None if but is None else name not in but)
        and any(row.get(name, {}).get('mean') is not None for row in rows.values())
    }
    if not there:
        return None
    table = Table(
        ('strategy', *map(_head, there.values())),
        tuple(
            (strategy, *(_value(row[name], measure) for name, measure in there.items()))
            for strategy, row in rows.items()
        ),
        numeric=frozenset(range(1, 1 + len(there))),
        caption='Mean over seeds ± half of the 95% t-interval.',
    )
    meanings = Bullets(tuple((m.label, f'{m.meaning}.') for m in there.values()))
    return Section('More measures', (table, meanings))


def _value(spread: Mapping[str, Any], measure: Measure) -> str:
    if measure.percent:
        return percent(spread)
    if spread['mean'] is None:
        return NONE
    half = '' if spread['ci95'] is None else f' ± {(spread["ci95"][1] - spread["ci95"][0]) / 2:.3f}'
    return f'{spread["mean"]:.3f}{half}'


def _differences(summary: Mapping[str, Any]) -> Table:
    baseline = summary['comparisons'][0]['baseline']
    known = measures_of(summary['config'])
    rows = tuple(
        (
            row['strategy'],
            known[metric].label,
            points(row['difference']),
            interval_points(row['ci95']),
            probability(row['p_value']),
            probability(row['p_sign_flip']),
            probability(row['p_holm']),
            probability(row['p_same']),
            points(row['smallest_difference']).lstrip('+'),
            MARKS[row['verdict']],
        )
        for metric in METRICS
        for row in summary['comparisons']
        if row['metric'] == metric
    )
    return Table(
        (
            *('strategy', 'metric', 'difference', '95% interval', 'p (t)', 'p (sign flip)'),
            *('p (Holm)', 'p (same)', 'could show', 'verdict'),
        ),
        rows,
        numeric=frozenset(range(2, 9)),
        caption=(
            f'Difference from {baseline} in percentage points, paired by seed, with its paired 95% '
            't-interval; the verdict rests on p (Holm) and p (same). "Could show" is the smallest '
            'difference that these seeds would have shown with a chance of 80%.'
        ),
    )


def _trade_off(summary: Mapping[str, Any]) -> Section:
    single = all(len(row['seeds']) < 2 for row in summary['strategies'].values())
    bars = (
        'One seed each, so there are no error bars.'
        if single
        else 'Large marks are means over seeds, small ones single seeds; error bars are 95% '
        't-intervals of the mean (wide where seeds are few).'
    )
    named = best(summary)
    grey = sum(bool(row['seeds']) for row in summary['strategies'].values()) > len(named)
    bars += (
        f' Named are {listing(named)}: the baseline, and those that no other beats in both. The '
        'rest are grey.'
        if grey
        else ''
    )
    picture = _picture(
        plot_accuracy_consistency(summary),
        'accuracy_consistency',
        'Accuracy against shift consistency, one mark per strategy; values are in the table above.',
        f'Up is more accurate, right is more shift-consistent. {bars}',
    )
    return Section('Accuracy against shift consistency', (picture,))


def _curves(run: Run) -> Section:
    if not any(cell.epochs for cell in run.cells if cell.status == 'completed'):
        return Section('Learning curves', (Paragraph('No epoch was logged.'),))
    single = all(len(run.select(name, 'completed')) < 2 for name in run.strategies)
    lines = (
        'One seed each, so there are no bands.'
        if single
        else 'Lines are means over the completed seeds; bands reach from the lowest to the highest '
        'seed.'
    )
    judged = (
        ' They are of the test images: choose nothing by them, or the final figures are no test.'
        if run.split == 'test'
        else f' Accuracy is that of the {run.split} images.'
    )
    grey = f' The grey line in every panel is {run.baseline}.'
    picture = _picture(
        plot_learning_curves(run),
        'learning_curves',
        'Accuracy for each epoch, one curve per strategy.',
        lines + judged + (grey if len(run.strategies) > OVERLAY_UP_TO and run.baseline else ''),
    )
    return Section('Learning curves', (picture,))


def _shift_maps(run: Run) -> Section:
    panels = choose_shift_panels(run)
    if panels is None:
        return Section('Shift maps', (Paragraph('No shift maps were kept.'),))
    reference = run.baseline if run.baseline in panels.maps else next(iter(panels.maps))
    seeds = sorted(set(panels.seeds.values()))
    absent = [name for name in run.strategies if name not in panels.maps]
    without = f' Without maps of these images: {listing(absent)}.' if absent else ''
    picture = _picture(
        plot_shift_maps(panels),
        'shift_maps',
        'For each image and strategy, the probability of the true class over shifts.',
        'Each square is the probability of the true class when the image is moved by (dx, dy) '
        'pixels; the cross is the unmoved image. An even map is a shift-invariant network. '
        f'These are the images on which {reference} varies most, so they flatter the others: '
        'read the patterns here and the averages in the table. '
        f'{"Seed" if len(seeds) == 1 else "Seeds"} {listing([str(seed) for seed in seeds])}.'
        f'{without}',
    )
    return Section('Shift maps', (picture,))


def _pictures(run: Run) -> Section:
    pictures = choose_pictures(run)
    if pictures is None:
        return Section('Pictures', (Paragraph('No pictures were kept.'),))
    seeds = sorted(set(pictures.seeds.values()))
    of = f'{"Seed" if len(seeds) == 1 else "Seeds"} {listing([str(seed) for seed in seeds])}.'
    picture = _picture(
        plot_pictures(pictures),
        'pictures',
        'For a few test images, the truth and what each strategy predicts.',
        f'The first test images, not chosen. {PICTURES[run.task]} {of}',
    )
    return Section('Pictures', (picture,))


def _cost(summary: Mapping[str, Any]) -> Section:
    picture = _picture(
        plot_cost(summary),
        'cost',
        'What each strategy costs; values are printed.',
        'Training speed is the median over seeds on the machine named under Environment; '
        'parameters are the trainable ones; FLOPs are of one image, forward only. What is equal '
        'for all is left out.',
    )
    return Section('Cost', (picture,))


def _per_seed(summary: Mapping[str, Any]) -> Section:
    rows = tuple(
        (name, str(seed), f'{100 * accuracy:.2f}', f'{100 * consistency:.2f}')
        for name, row in summary['strategies'].items()
        for seed, accuracy, consistency in zip(
            row['seeds'], row['accuracy']['values'], row['consistency']['values'], strict=True
        )
    )
    table = Table(
        ('strategy', 'seed', *(_head(measures_of(summary['config'])[m]) for m in METRICS)),
        rows,
        numeric=frozenset((1, 2, 3)),
        caption=f'All {plural(len(rows), "completed cell")}',
        folded=True,
    )
    return Section('Every seed', (table,))
