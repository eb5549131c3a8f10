"""A finished run for a paper: tables as CSV and LaTeX, figures as SVG and PDF."""

import csv
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from cnn_jax.files import write_atomically
from cnn_jax.measures import measures_of
from cnn_jax.reports.curves import plot_learning_curves
from cnn_jax.reports.plots import plot_accuracy_consistency, plot_cost, plot_differences
from cnn_jax.reports.run import Run, read_run
from cnn_jax.reports.summary import METRICS, own_metrics, summarize_run
from cnn_jax.reports.words import pair_counts
from cnn_jax.style import plot_style

FIGURES: Mapping[str, Callable[[Mapping[str, Any]], Figure]] = {
    'differences': plot_differences,
    'accuracy_consistency': plot_accuracy_consistency,
    'cost': plot_cost,
}
_LATEX = str.maketrans(
    {c: f'\\{c}' for c in '_&%$#{}'}
    | {c: rf'\{c}{{}}' for c in '~^'}
    | {'\\': r'\textbackslash{}', '<': r'\textless{}', '>': r'\textgreater{}'}
    | {'|': r'\textbar{}', '"': r'\char`\"{}'}  # \textquotedbl needs fontenc T1
)


def export(folder: Path, form: str) -> list[Path]:
    """Writes the run's results into its folder as 'csv', 'latex', 'svg' or 'pdf'; the files.

    >>> export(Path('no_such_folder'), 'csv')
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
    """
    run = read_run(folder)
    files = exported(run, summarize_run(run), form)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return [folder / name for name in files]


def exported(run: Run, summary: Mapping[str, Any], form: str) -> dict[str, bytes]:
    """The files of a run as 'csv', 'latex', 'svg' or 'pdf', by name."""
    if form == 'csv':
        return {'results.csv': to_csv(summary, own_metrics(run.config)).encode()}
    if form == 'latex':
        return {'results.tex': to_latex(summary, own_metrics(run.config)).encode()}
    drawn = {name: draw(summary) for name, draw in FIGURES.items() if _has(name, summary)}
    drawn['learning_curves'] = plot_learning_curves(run)
    return {f'plots/{name}.{form}': _saved(figure, form) for name, figure in drawn.items()}


def _has(name: str, summary: Mapping[str, Any]) -> bool:
    return name != 'differences' or bool(pair_counts(summary))


@plot_style
def _saved(figure: Figure, form: str) -> bytes:
    dates = {'pdf': {'CreationDate': None}, 'svg': {'Date': None}}
    buffer = io.BytesIO()
    with rc_context({'svg.hashsalt': 'cnn_jax'}):
        figure.savefig(buffer, format=form, metadata=dates[form])
    return buffer.getvalue()


def to_csv(summary: Mapping[str, Any], own: tuple[str, ...] = ()) -> str:
    """One line for each strategy and seed, with every metric of it; shares from 0 to 1.

    >>> spread = {'mean': 0.9, 'ci95': None, 'values': [0.9]}
    >>> row = {'accuracy': spread, 'consistency': spread, 'seeds': [3]}
    >>> to_csv({'strategies': {'max': row}}).splitlines()
    ['strategy,seed,accuracy,consistency', 'max,3,0.9,0.9']
    """
    measured = [
        measure
        for measure in measures_of(summary.get('config', {}))
        if measure not in METRICS
        and any(row.get(measure, {}).get('values') for row in summary['strategies'].values())
    ]
    metrics, text = (*METRICS, *measured, *own), io.StringIO()
    table = csv.writer(text, lineterminator='\n')
    table.writerow(('strategy', 'seed', *metrics))
    for name, row in summary['strategies'].items():
        none = [''] * len(row['seeds'])
        columns = zip(*(row[metric]['values'] or none for metric in metrics), strict=True)
        for seed, values in zip(row['seeds'], columns, strict=True):
            table.writerow((name, seed, *values))
    return text.getvalue()


def to_latex(summary: Mapping[str, Any], own: tuple[str, ...] = ()) -> str:
    """A tabular for booktabs: means with half of their intervals, and paired differences.

    An interval that ends at 0% or 100% is given by its ends. Shares are in percent, metrics of
    one's own (`own`) in their own units.

    >>> spread = {'mean': 0.9, 'ci95': [0.88, 0.92], 'values': [0.89, 0.91]}
    >>> row = {'accuracy': spread, 'consistency': spread, 'seeds': [0, 1]}
    >>> print(to_latex({'strategies': {'max_blur': row}, 'comparisons': []}).splitlines()[4])
    max\\_blur & $90.00 \\pm 2.00$ & -- & $90.00 \\pm 2.00$ & -- \\\\
    """
    found = {(row['strategy'], row['metric']): row for row in summary['comparisons']}
    lines = []
    for name, row in summary['strategies'].items():
        cells = [name.translate(_LATEX)]
        for metric in METRICS:
            cells += [_mean(row[metric]), _difference(found.get((name, metric)))]
        for metric in own:
            cells += [_mean(row[metric], _OWN), _difference(found.get((name, metric)), _OWN)]
        lines.append(' & '.join(cells) + r' \\')
    labels = (measures_of(summary.get('config', {}))[metric].label for metric in METRICS)
    measured = [f'{label} \\%' for label in labels] + [metric.translate(_LATEX) for metric in own]
    head = ' & '.join(('strategy', *(f'{name} & difference' for name in measured)))
    rules = [
        rf'\begin{{tabular}}{{l{"rr" * len(measured)}}}',
        r'\toprule',
        head + r' \\',
        r'\midrule',
    ]
    return '\n'.join([*rules, *lines, r'\bottomrule', r'\end{tabular}']) + '\n'


_SHARE, _OWN = (100, '.2f', '.2f'), (1, '.4g', '.2g')  # factor; forms of values and half-widths


def _mean(spread: Mapping[str, Any], kind: tuple[int, str, str] = _SHARE) -> str:
    scale, form, of_half = kind
    if spread['mean'] is None:
        return '--'
    mean = _number(scale * spread['mean'], form)
    if spread['ci95'] is None:
        return f'${mean}$'
    below, above = (scale * abs(end - spread['mean']) for end in spread['ci95'])
    if not math.isclose(below, above, rel_tol=1e-6, abs_tol=1e-12):  # cut off at 0% or 100%
        low, high = (_number(scale * end, form) for end in spread['ci95'])
        return f'${mean}\\ [{low}, {high}]$'
    return f'${mean} \\pm {_number(above, of_half)}$'


def _number(value: float, form: str) -> str:
    """In LaTeX's math mode: 1.5 \\times 10^{-5}, not 1.5e-05."""
    digits, _, power = f'{value:{form}}'.partition('e')
    return rf'{digits} \times 10^{{{int(power)}}}' if power else digits


def _difference(row: Mapping[str, Any] | None, kind: tuple[int, str, str] = _SHARE) -> str:
    """With a star where it is decided."""
    scale, form, _ = kind
    if row is None or row['difference'] is None:
        return '--'
    number = _number(scale * row['difference'], f'+{form}')
    return f'${number}$' if row['verdict'] == 'undecided' else f'${{{number}}}^{{*}}$'
