"""Accuracy against shift consistency, and what each strategy costs."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnn_jax.reports.words import count, short
from cnn_jax.style import add_legend, label, look, plot_style


@plot_style
def plot_accuracy_consistency(summary: Mapping[str, Any]) -> Figure:
    """Mean accuracy against mean shift consistency in percent, with 95% t-intervals over seeds.

    Small points are single seeds. `summary` is what `summarize` gives.

    >>> spread = {'mean': 0.9, 'ci95': None, 'values': [0.9]}
    >>> row = {'accuracy': spread, 'consistency': spread, 'seeds': [0]}
    >>> figure = plot_accuracy_consistency({'strategies': {'max': row}})
    >>> figure.axes[0].get_ylabel()
    'accuracy (% of test images)'
    """
    rows = summary['strategies']
    figure = Figure(figsize=(8, 4.4))
    axes = figure.add_subplot()
    handles = []
    for index, (name, row) in enumerate(rows.items()):
        if not row['seeds']:
            continue
        drawn, x, y = look(index), row['consistency'], row['accuracy']
        axes.scatter(
            [100 * value for value in x['values']],
            [100 * value for value in y['values']],
            s=14,
            alpha=0.45,
            color=drawn.colour,
            marker=drawn.marker,
            linewidths=0,
        )
        axes.errorbar(
            100 * x['mean'],
            100 * y['mean'],
            xerr=_half_width(x),
            yerr=_half_width(y),
            color=drawn.colour,
            marker=drawn.marker,
            markersize=8,
            markeredgecolor='white',
            elinewidth=1.2,
            capsize=3,
        )
        handles.append(
            Line2D(
                [],
                [],
                color=drawn.colour,
                marker=drawn.marker,
                markersize=8,
                linestyle='none',
                label=label(name),
            )
        )
    axes.set_xlabel('shift consistency (% of test images)')
    axes.set_ylabel('accuracy (% of test images)')
    axes.margins(0.08)
    # An interval of two or three seeds can reach past what a share can be: cut the axes there.
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -2), min(high, 102))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2), min(high, 102))
    add_legend(figure, handles)
    return figure


def _half_width(spread: Mapping[str, Any]) -> float | None:
    if spread['ci95'] is None:
        return None
    low, high = spread['ci95']
    return 50 * (high - low)


@plot_style
def plot_cost(summary: Mapping[str, Any]) -> Figure:
    """Training images a second, parameters, and FLOPs of one image's forward pass, as bars.

    >>> row = {'examples_per_second': 5e3, 'parameters': 29034, 'flops_per_example': 5.6e6}
    >>> [axes.get_xlabel() for axes in plot_cost({'strategies': {'max': row}}).axes]
    ['training images/s', 'parameters', 'FLOPs per image, forward']
    """
    rows = summary['strategies']
    names = [label(name) for name in rows]
    figure = Figure(figsize=(8, 1.1 + 0.28 * len(rows)))
    panels = figure.subplots(1, 3, sharey=True, squeeze=False)[0]
    columns = (
        ('training images/s', 'examples_per_second', count),
        ('parameters', 'parameters', count),
        ('FLOPs per image, forward', 'flops_per_example', short),
    )
    for axes, (title, key, words) in zip(panels, columns, strict=True):
        values = [row[key] for row in rows.values()]
        bars = axes.barh(
            range(len(names)),
            [value or 0 for value in values],
            color=[look(index).colour for index in range(len(names))],
            height=0.62,
        )
        axes.bar_label(bars, [words(value) for value in values], padding=3, fontsize=8.5)
        axes.set_xlabel(title)
        axes.set_xlim(0, 1.45 * max([value or 0 for value in values] + [1e-9]))
        axes.set_yticks(range(len(names)), names)
        axes.grid(False)
        axes.tick_params(axis='y', length=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure
