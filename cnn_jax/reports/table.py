"""The comparison as plain-text tables, for terminals of 80 columns and for files."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cnn_jax.measures import Measure, measures_of
from cnn_jax.reports.own_metrics import interval, number
from cnn_jax.reports.summary import METRICS, own_metrics
from cnn_jax.reports.words import (
    NONE,
    answer,
    cells_note,
    chance_note,
    count,
    interval_points,
    measured,
    pair_counts,
    percent,
    points,
    power_note,
    probability,
    short,
)
from cnn_jax.terminal import fitting

_COLOURS = {'better': 'bold green', 'worse': 'bold red', 'same': 'bold', 'undecided': 'dim'}

_RIGHT = ', right the share whose class is their own under both'
_STATISTICS = (
    '; images/s is training, FLOPs one image forward. Better or worse needs p (Holm), '
    'the paired t-test corrected for all comparisons, < 0.05; the same needs p (same), of two '
    'one-sided t-tests, < 0.05; undecided means that these seeds cannot tell.'
)


def how_to_read(known: Mapping[str, Measure]) -> str:
    """What the columns mean, given the measures of the task."""
    first, second = (known[name] for name in METRICS)
    said = f'{first.label} is the {first.meaning}, {second.label} the {second.meaning}'
    said = said.replace('test images', 'images')
    return f'How to read: {said}{_RIGHT if "consistent_and_right" in known else ""}{_STATISTICS}'


def print_table(summary: Mapping[str, Any], console: Console) -> None:
    """Prints the measures, the differences from the baseline, and how to read them.

    `summary` is the result of `summarize_run`. Needs no terminal and no colours; where the output
    cannot encode `±` it prints `+-`.

    >>> print_table({'config': {}, 'strategies': {}, 'comparisons': []}, Console(width=80))
    No cell has finished yet, so there is nothing to compare.
    """
    printer = _Printer(console)
    if any(row['seeds'] for row in summary['strategies'].values()):
        console.print(fitting(_measurements(summary, printer), console.width))
    if pair_counts(summary):
        for metric in METRICS:
            console.print(fitting(_differences(summary, metric, printer), console.width))
    for metric in own_metrics(summary['config']):
        console.print(fitting(_own(summary, metric, printer), console.width))
    for say in (answer, measured, chance_note, power_note, cells_note):
        sentence = say(summary)
        if sentence:
            console.print(printer.text(sentence))
    if any(row['seeds'] for row in summary['strategies'].values()):
        console.print(printer.text(how_to_read(measures_of(summary['config'])), 'dim'))


class _Printer:
    """Makes texts that the console can encode; nothing in them is interpreted as markup."""

    def __init__(self, console: Console) -> None:
        self._ascii = not console.encoding.lower().startswith('utf')

    def text(self, content: str, look: str = '') -> Text:
        if self._ascii:
            content = content.replace('±', '+-').replace('–', '-')
            content = content.encode('ascii', 'replace').decode('ascii')
        return Text(content, style=look, overflow='fold')


def _table(title: str, head: dict[str, bool], printer: _Printer) -> Table:
    """An empty table; `head` maps a column's name to whether it holds numbers."""
    table = Table(
        title=printer.text(title, 'bold'),
        title_justify='left',
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for name, numeric in head.items():
        justify = 'right' if numeric else 'left'
        table.add_column(printer.text(name), justify=justify, overflow='fold', no_wrap=numeric)
    return table


def _measurements(summary: Mapping[str, Any], printer: _Printer) -> Table:
    known = measures_of(summary['config'])
    head = {
        'strategy': False,
        'seeds': True,
        **dict.fromkeys((known[name].label for name in METRICS), True),
    }
    head |= {'right': True} if 'consistent_and_right' in known else {}
    head |= {'images/s': True, 'params': True, 'FLOPs': True}
    title = 'Measured: shares in %, mean ± half of the 95% interval over seeds'
    table = _table(title, head, printer)
    for name, row in summary['strategies'].items():
        done = len(row['seeds'])
        total = done + len(row['missing']) + len(row['diverged'])
        right = [row['consistent_and_right']] if 'right' in head else []
        cells = (
            name,
            f'{done}' if done == total else f'{done}/{total}',
            percent(row['accuracy']),
            percent(row['consistency']),
            *(percent({'mean': spread['mean'], 'ci95': None}) for spread in right),
            count(row['examples_per_second']),
            count(row['parameters']),
            short(row['flops_per_example']),
        )
        table.add_row(*(printer.text(cell) for cell in cells))
    return table


def _differences(summary: Mapping[str, Any], metric: str, printer: _Printer) -> Table:
    baseline = summary['comparisons'][0]['baseline']
    head = {'strategy': False, 'difference': True, '95% interval': True}
    head |= {'p (Holm)': True, 'p (same)': True, 'verdict': False}
    name = measures_of(summary['config'])[metric].label
    name = name.capitalize() if name.islower() else name  # not the m of mIoU
    title = f'{name}: difference from {baseline}, in percentage points'
    table = _table(title, head, printer)
    for row in summary['comparisons']:
        if row['metric'] == metric:
            cells = (
                row['strategy'],
                points(row['difference']),
                interval_points(row['ci95']),
                probability(row['p_holm']),
                probability(row['p_same']),
            )
            mark = printer.text(row['verdict'], _COLOURS[row['verdict']])
            table.add_row(*(printer.text(cell) for cell in cells), mark)
    return table


def _own(summary: Mapping[str, Any], metric: str, printer: _Printer) -> Table:
    """A metric of the user's own, in its own units."""
    head = {'strategy': False, 'mean': True, '95% interval': True, 'difference': True}
    head |= {'p (Holm)': True, 'verdict': False}
    table = _table(f'{metric}: mean over seeds, and difference from the baseline', head, printer)
    found = {row['strategy']: row for row in summary['comparisons'] if row['metric'] == metric}
    for name, means in summary['strategies'].items():
        row = found.get(name, {})
        cells = (
            name,
            number(means[metric]['mean']),
            interval(means[metric]['ci95']),
            number(row.get('difference'), signed=True),
            probability(row.get('p_holm')),
        )
        verdict = row.get('verdict', NONE)
        mark = printer.text(verdict, _COLOURS.get(verdict, ''))
        table.add_row(*(printer.text(cell) for cell in cells), mark)
    return table
