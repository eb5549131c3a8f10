"""What the trade-off and cost plots show, read back from their figures."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.figure import Figure

from cnn_jax.reports.plots import plot_accuracy_consistency, plot_cost, plot_differences
from cnn_jax.reports.run import read_run
from cnn_jax.reports.summary import summarize_run
from cnn_jax.style import png
from tests.reports.fake_run import fake_run


def summary_of(folder: Path, *arguments: Any, **options: Any) -> dict[str, Any]:
    return summarize_run(read_run(fake_run(folder, *arguments, **options)))


def bars(figure: Figure) -> list[ErrorbarContainer]:
    return [bar for bar in figure.axes[0].containers if isinstance(bar, ErrorbarContainer)]


def test_marks_stand_at_the_means_with_the_t_intervals(tmp_path: Path):
    summary = summary_of(tmp_path, ('max', 'avg'))
    figure = plot_accuracy_consistency(summary)
    found = bars(figure)
    assert len(found) == 2
    row = summary['strategies']['avg']
    mark, _, lines = found[1].lines
    assert mark is not None
    assert mark.get_xdata() == pytest.approx([100 * row['consistency']['mean']])
    assert mark.get_ydata() == pytest.approx([100 * row['accuracy']['mean']])
    (across,), (along,) = (line.get_segments() for line in lines)
    assert across[:, 0] == pytest.approx(100 * np.array(row['consistency']['ci95']))
    assert along[:, 1] == pytest.approx(100 * np.array(row['accuracy']['ci95']))
    points = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert points[:, 1] == pytest.approx(
        [100 * value for value in summary['strategies']['max']['accuracy']['values']]
    )


def test_axes_are_named_with_units(tmp_path: Path):
    axes = plot_accuracy_consistency(summary_of(tmp_path, ('max',))).axes[0]
    assert axes.get_xlabel() == 'shift consistency (%)'
    assert axes.get_ylabel() == 'accuracy (%)'


def test_axes_end_where_shares_end():
    spread = {'mean': 0.5, 'ci95': [-0.8, 1.8], 'values': [0.4, 0.6]}
    row = {'accuracy': spread, 'consistency': spread, 'seeds': [0, 1]}
    axes = plot_accuracy_consistency({'strategies': {'max': row}}).axes[0]
    assert axes.get_xlim() == axes.get_ylim() == (-2, 102)


def test_one_seed_has_no_error_bars(tmp_path: Path):
    (bar,) = bars(plot_accuracy_consistency(summary_of(tmp_path, ('max',), (0,))))
    assert not bar.has_xerr
    assert not bar.has_yerr


def test_a_strategy_keeps_its_look_where_an_earlier_one_has_nothing(tmp_path: Path):
    whole = plot_accuracy_consistency(summary_of(tmp_path / 'whole', ('max', 'avg'), (0,)))
    part = plot_accuracy_consistency(
        summary_of(tmp_path / 'part', ('max', 'avg'), (0,), missing=[('max', 0)])
    )
    marks = [bars(whole)[1].lines[0], bars(part)[0].lines[0]]
    assert len(bars(part)) == 1
    assert len({(mark.get_color(), mark.get_marker()) for mark in marks if mark}) == 1
    assert [text.get_text() for text in part.legends[0].get_texts()] == ['avg']


def test_cost_bars_are_the_summarys_numbers(tmp_path: Path):
    summary = summary_of(tmp_path, ('max', 'avg'), (0,))
    figure = plot_cost(summary)
    assert len({row['parameters'] for row in summary['strategies'].values()}) == 1  # so not drawn
    keys = ('examples_per_second', 'flops_per_example')
    for axes, key in zip(figure.axes, keys, strict=True):
        (container,) = axes.containers
        assert isinstance(container, BarContainer)
        widths = [bar.get_width() for bar in container.patches]
        assert widths == pytest.approx([row[key] for row in summary['strategies'].values()])
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ['max', 'avg']


def test_cost_of_a_strategy_that_was_never_measured(tmp_path: Path):
    summary = summary_of(tmp_path, ('max', 'avg'), (0,), missing=[('avg', 0)])
    figure = plot_cost(summary)
    assert '–' in [text.get_text() for text in figure.axes[0].texts]
    assert png(figure)


def test_differences_are_paired_with_their_intervals_and_seeds(tmp_path: Path):
    summary = summary_of(tmp_path, ('max', 'avg', 'stride'), range(6))
    figure = plot_differences(summary)
    rows = [row for row in summary['comparisons'] if row['metric'] == 'consistency']
    axes = figure.axes[1]
    assert [text.get_text() for text in axes.get_yticklabels()] == ['avg', 'stride']
    zero, *marks = axes.get_lines()
    assert list(zero.get_xdata()) == [0, 0]
    for mark, row in zip(marks, rows, strict=True):
        assert mark.get_xdata() == pytest.approx([100 * row['difference']])
        assert (mark.get_markerfacecolor() == 'none') == (row['verdict'] == 'undecided')
    points, interval = axes.collections[:2]
    values = [summary['strategies'][name]['consistency']['values'] for name in ('avg', 'max')]
    seeds = 100 * (np.array(values[0]) - np.array(values[1]))
    assert np.asarray(points.get_offsets())[:, 0] == pytest.approx(seeds)
    (segment,) = interval.get_segments()
    assert segment[:, 0] == pytest.approx(100 * np.array(rows[0]['ci95']))


def test_of_many_strategies_only_the_best_and_the_baseline_are_named():
    def row(accuracy: float, consistency: float) -> dict:
        spread = ({'mean': m, 'ci95': None, 'values': [m]} for m in (accuracy, consistency))
        return {**dict(zip(('accuracy', 'consistency'), spread, strict=True)), 'seeds': [0]}

    rows = {f's{i}': row(0.1 + i / 100, 0.5) for i in range(20)} | {'other': row(0.05, 0.9)}
    figure = plot_accuracy_consistency({'strategies': rows, 'config': {'baseline': 's3'}})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ['s3', 's19', 'other']
