"""Plots of differences from the baseline, accuracy against shift consistency, and costs."""

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnn_jax.measures import measures_of
from cnn_jax.reports.summary import METRICS
from cnn_jax.reports.words import count, short
from cnn_jax.style import WIDTH, add_legend, label, plot_style, style_of

_CLASSES = {'accuracy': 'accuracy', 'consistency': 'shift consistency'}
LABELLED_UP_TO = 12  # strategies; with more, only the best are named in the scatter plot


@plot_style
def plot_differences(summary: Mapping[str, Any]) -> Figure:
    """A forest plot: each strategy's paired difference from the baseline, in percentage points.

    Large marks are means with paired 95% intervals, small ones single seeds; marks are filled where
    the difference is decided. `summary` is the result of `summarize_run`.

    >>> figure = plot_differences({'strategies': {}, 'comparisons': []})
    >>> [axes.get_title('left') for axes in figure.axes]
    ['accuracy', 'shift consistency']
    """
    rows = [row for row in summary['comparisons'] if row['difference'] is not None]
    names = list(dict.fromkeys(row['strategy'] for row in rows))
    figure = Figure(figsize=(WIDTH, 1.3 + 0.34 * max(1, len(names)) * 2))
    for axes, (metric, title) in zip(figure.subplots(2, 1), _titles(summary).items(), strict=True):
        axes.axvline(0, color='#888888', linewidth=1.2, zorder=1)
        for row in rows:
            if row['metric'] == metric:
                _draw_difference(axes, summary['strategies'], row, names.index(row['strategy']))
        axes.set_title(title, loc='left')
        axes.set_yticks(range(len(names)), [label(name, width=20) for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis='y', length=0)
        axes.grid(axis='y', visible=False)
        axes.xaxis.set_major_formatter(lambda value, _: f'{value:+g}'.replace('-', '\u2212'))
    baseline = rows[0]['baseline'] if rows else 'the baseline'
    figure.supxlabel(f'difference from {label(baseline)} (percentage points)', fontsize=10)
    return figure


def _titles(summary: Mapping[str, Any], unit: str = '') -> dict[str, str]:
    """The compared metrics and how plots call them."""
    config = summary.get('config', {})
    labels = {metric: measures_of(config)[metric].label for metric in METRICS}
    return {m: f'{label}{unit}' for m, label in (labels if 'task' in config else _CLASSES).items()}


def _draw_difference(
    axes: Axes, strategies: Mapping[str, Any], row: Mapping[str, Any], place: int
) -> None:
    style, metric = style_of(row['strategy']), row['metric']
    mine, theirs = (
        dict(zip(strategies[name]['seeds'], strategies[name][metric]['values'], strict=True))
        for name in (row['strategy'], row['baseline'])
    )
    seeds = [100 * (mine[seed] - theirs[seed]) for seed in mine if seed in theirs]
    axes.scatter(seeds, [place] * len(seeds), s=18, color=style.colour, alpha=0.5, linewidths=0)
    mean = 100 * row['difference']
    if row['ci95'] is not None:
        low, high = (100 * end for end in row['ci95'])
        axes.hlines(place, low, high, color=style.colour, linewidth=2)
    decided = row['verdict'] != 'undecided'
    axes.plot(
        mean,
        place,
        marker=style.marker,
        markersize=9,
        markeredgecolor=style.colour,
        markerfacecolor=style.colour if decided else 'none',
        markeredgewidth=1.8,
        zorder=3,
    )


@plot_style
def plot_accuracy_consistency(summary: Mapping[str, Any]) -> Figure:
    """Mean accuracy against mean shift consistency in percent, with 95% t-intervals over seeds.

    Small points are single seeds. With more than 12 strategies only the baseline and those that no
    other beats in both are named; the rest are grey. `summary` is the result of `summarize_run`.

    >>> spread = {'mean': 0.9, 'ci95': None, 'values': [0.9]}
    >>> row = {'accuracy': spread, 'consistency': spread, 'seeds': [0]}
    >>> figure = plot_accuracy_consistency({'strategies': {'max': row}})
    >>> figure.axes[0].get_ylabel()
    'accuracy (%)'
    """
    rows = summary['strategies']
    figure = Figure(figsize=(WIDTH, 4.2))
    axes = figure.add_subplot()
    handles, named = [], best(summary)
    for name, row in rows.items():
        if not row['seeds']:
            continue
        drawn, x, y = style_of(name), row['consistency'], row['accuracy']
        if name not in named:
            axes.plot(100 * x['mean'], 100 * y['mean'], 'o', color='#999999', markersize=4)
            continue
        axes.scatter(
            [100 * value for value in x['values']],
            [100 * value for value in y['values']],
            s=22,
            alpha=0.55,
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
            markeredgecolor='none',
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
    vertical, horizontal = _titles(summary, ' (%)').values()
    axes.set_xlabel(horizontal)
    axes.set_ylabel(vertical)
    axes.margins(0.08)
    # An interval of two or three seeds can extend beyond 0 or 100%: cut the axes there.
    low, high = axes.get_xlim()
    axes.set_xlim(max(low, -2), min(high, 102))
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, -2), min(high, 102))
    add_legend(figure, handles)
    return figure


def best(summary: Mapping[str, Any]) -> list[str]:
    """The strategies named in the scatter plot: all, or if many, the baseline and the Pareto front.

    >>> spread = lambda mean: {'mean': mean, 'ci95': None, 'values': [mean]}
    >>> rows = {f's{i}': {'accuracy': spread(i / 20), 'consistency': spread(0.5), 'seeds': [0]}
    ...         for i in range(13)}
    >>> best({'strategies': rows, 'config': {'baseline': 's0'}})
    ['s0', 's12']
    """
    measured = {name: row for name, row in summary['strategies'].items() if row['seeds']}
    if len(measured) <= LABELLED_UP_TO:
        return list(measured)
    places = {n: (r['accuracy']['mean'], r['consistency']['mean']) for n, r in measured.items()}

    def beaten(place: tuple[float, float]) -> bool:
        return any(
            other != place and other[0] >= place[0] and other[1] >= place[1]
            for other in places.values()
        )

    baseline = summary.get('config', {}).get('baseline')
    return [name for name, place in places.items() if name == baseline or not beaten(place)]


def _half_width(spread: Mapping[str, Any]) -> float | None:
    if spread['ci95'] is None:
        return None
    low, high = spread['ci95']
    return 50 * (high - low)


@plot_style
def plot_cost(summary: Mapping[str, Any]) -> Figure:
    """Bars of training images per second, parameters, and a forward pass's FLOPs, bytes and speed.

    Quantities that are equal for all strategies are left out.

    >>> rows = {'max': {'examples_per_second': 5e3, 'parameters': 9, 'flops_per_example': 5e6},
    ...         'avg': {'examples_per_second': 6e3, 'parameters': 9, 'flops_per_example': 6e6}}
    >>> [axes.get_xlabel() for axes in plot_cost({'strategies': rows}).axes]
    ['training images/s', 'FLOPs per image, forward']
    """
    rows = summary['strategies']
    names = [label(name, width=20) for name in rows]
    columns = (
        ('training images/s', 'examples_per_second', count),
        ('parameters', 'parameters', count),
        ('FLOPs per image, forward', 'flops_per_example', short),
        ('bytes of maps per image, forward', 'activation_bytes', short),
        ('answers/s', 'inference_per_second', count),
    )
    differ = [c for c in columns if len({row.get(c[1]) for row in rows.values()}) > 1]
    shown = differ or [columns[0]]
    figure = Figure(figsize=(WIDTH, len(shown) * (0.6 + 0.24 * len(rows))))
    panels = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, (title, key, words) in zip(panels, shown, strict=True):
        values = [row.get(key) for row in rows.values()]
        bars = axes.barh(
            range(len(names)),
            [value or 0 for value in values],
            color=[style_of(name).colour for name in rows],
            height=0.62,
        )
        axes.bar_label(bars, [words(value) for value in values], padding=3, fontsize=8.5)
        axes.set_xlabel(title)
        axes.set_xlim(0, 1.3 * max([value or 0 for value in values] + [1e-9]))
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(False)
        axes.tick_params(axis='y', length=0)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
        axes.xaxis.set_major_formatter(lambda value, _: short(value))
    return figure
