"""Learning curves: the mean over seeds of each epoch's logged values, with a band."""

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnn_jax.measures import measures_of
from cnn_jax.reports.run import Run
from cnn_jax.style import WIDTH, StrategyStyle, add_legend, label, plot_style, style_of

OVERLAY_UP_TO = 7
"""Up to this many strategies share axes; if there are more, each gets a panel."""


@dataclass(frozen=True)
class Curve:
    """A logged quantity for each epoch: its mean, lowest and highest value over seeds."""

    epochs: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def learning_curve(run: Run, strategy: str, key: str) -> Curve:
    """The curve of `key` in the metrics logs, over the strategy's completed seeds.

    Only epochs with a finite value from every completed seed are used, so that each mean is over
    the same seeds. Empty if there are none.

    >>> from pathlib import Path
    >>> learning_curve(Run(Path(), {}, (), ()), 'max', 'accuracy').epochs
    ()
    """
    logs = []
    for cell in run.select(strategy, 'completed'):
        logs.append({row.get('epoch'): row.get(key) for row in cell.epochs})
    epochs = sorted(
        epoch
        for epoch in set().union(*logs)
        if isinstance(epoch, int) and all(isinstance(log.get(epoch), float | int) for log in logs)
    )
    values = [[float(log[epoch]) for log in logs] for epoch in epochs]
    return Curve(
        epochs=tuple(epochs),
        mean=tuple(math.fsum(column) / len(column) for column in values),
        low=tuple(min(column) for column in values),
        high=tuple(max(column) for column in values),
    )


def plot_learning_curves(run: Run) -> Figure:
    """Accuracy and training loss for each epoch: mean over seeds, band from lowest to highest.

    With more than 7 strategies each has its own panel, with the baseline's mean in grey.

    >>> from pathlib import Path
    >>> [axes.get_xlabel() for axes in plot_learning_curves(Run(Path(), {}, (), ())).axes]
    ['epoch', 'epoch']
    """
    return _overlaid(run) if len(run.strategies) <= OVERLAY_UP_TO else _panels(run)


@plot_style
def _overlaid(run: Run) -> Figure:
    figure = Figure(figsize=(WIDTH, 5.2))
    left, right = figure.subplots(2, 1)
    handles = []
    for name in run.strategies:
        drawn = style_of(name)
        accuracy = learning_curve(run, name, 'accuracy')
        _draw(left, accuracy, drawn, scale=100)
        _draw(right, learning_curve(run, name, 'train_loss'), drawn, scale=1)
        if accuracy.epochs:
            handles.append(
                Line2D(
                    [],
                    [],
                    color=drawn.colour,
                    linestyle=drawn.line,
                    marker=drawn.marker,
                    label=label(name),
                )
            )
    left.set_ylabel(_accuracy(run))
    right.set_ylabel('training loss (mean of the epoch)')
    for axes in (left, right):
        _epochs(axes)
    add_legend(figure, handles)
    return figure


@plot_style
def _panels(run: Run) -> Figure:
    names, columns = run.strategies, 4
    lines = math.ceil(len(names) / columns)
    figure = Figure(figsize=(8, 0.6 + 1.6 * lines))
    panels = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False).flat
    baseline = learning_curve(run, run.baseline, 'accuracy')
    for index, axes in enumerate(panels):
        if index >= len(names):
            axes.remove()
            continue
        axes.plot(baseline.epochs, _scaled(baseline.mean, 100), color='#999999', linewidth=1)
        _draw(
            axes, learning_curve(run, names[index], 'accuracy'), style_of(names[index]), scale=100
        )
        axes.set_title(label(names[index], width=22), fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
        axes.tick_params(labelbottom=index + columns >= len(names))
    figure.supxlabel('epoch', fontsize=10)
    figure.supylabel(_accuracy(run), fontsize=10)
    return figure


def _accuracy(run: Run) -> str:
    return f'{measures_of(run.config)["accuracy"].label} (% of {run.split} images)'


def _scaled(values: tuple[float, ...], scale: int) -> list[float]:
    return [scale * value for value in values]


def _draw(axes: Axes, curve: Curve, drawn: StrategyStyle, scale: int) -> None:
    axes.fill_between(
        curve.epochs,
        _scaled(curve.low, scale),
        _scaled(curve.high, scale),
        color=drawn.colour,
        alpha=0.16,
        linewidth=0,
    )
    if len(curve.epochs) == 1:  # A band of zero width would be invisible.
        axes.vlines(
            curve.epochs,
            _scaled(curve.low, scale),
            _scaled(curve.high, scale),
            color=drawn.colour,
            alpha=0.4,
            linewidth=3,
        )
    axes.plot(
        curve.epochs,
        _scaled(curve.mean, scale),
        color=drawn.colour,
        linestyle=drawn.line,
        linewidth=1.7,
        marker=drawn.marker,
        markersize=4.5,
        markevery=max(1, len(curve.epochs) // 10),
    )


def _epochs(axes: Axes) -> None:
    axes.set_xlabel('epoch')
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
