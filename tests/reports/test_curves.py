"""Learning curves: means and bands worked by hand, only over epochs that every seed has."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.lines import Line2D

from cnn_jax.reports.curves import Curve, learning_curve, plot_learning_curves
from cnn_jax.reports.run import CellResult, Run, Status, read_run
from tests.reports.fake_run import FIVE, fake_run


def cell(seed: int, values: list[float | None], status: Status = 'completed') -> CellResult:
    rows = [
        {'epoch': epoch, 'split': 'test', 'accuracy': value}
        for epoch, value in enumerate(values, start=1)
    ]
    return CellResult('max', seed, Path(), status, {}, {}, tuple(rows))


def heights(line: Line2D) -> list[float]:
    return np.asarray(line.get_ydata()).tolist()


def curve_of(*cells: CellResult) -> Curve:
    return learning_curve(Run(Path(), {}, (), cells), 'max', 'accuracy')


def test_mean_and_band_by_hand():
    curve = curve_of(cell(0, [0.1, 0.5]), cell(1, [0.3, 0.6]), cell(2, [0.2, 1.0]))
    assert curve.epochs == (1, 2)
    assert curve.mean == pytest.approx((0.2, 0.7))
    assert curve.low == (0.1, 0.5)
    assert curve.high == (0.3, 1.0)


def test_an_epoch_that_one_seed_lacks_is_left_out():
    assert curve_of(cell(0, [0.1, 0.5, 0.7]), cell(1, [0.3, None])).epochs == (1,)


def test_diverged_seeds_are_left_out():
    curve = curve_of(cell(0, [0.5]), cell(1, [0.1], 'diverged'))
    assert curve.mean == (0.5,)


def test_few_strategies_share_axes_named_with_units(tmp_path: Path):
    run = read_run(fake_run(tmp_path))
    figure = plot_learning_curves(run)
    accuracy, loss = figure.axes
    assert accuracy.get_ylabel() == 'accuracy (% of test images)'
    assert loss.get_ylabel() == 'training loss (mean of the epoch)'
    assert len(accuracy.lines) == len(loss.lines) == 5
    curve = learning_curve(run, 'avg', 'accuracy')
    assert heights(accuracy.lines[1]) == pytest.approx([100 * v for v in curve.mean])
    band = np.asarray(accuracy.collections[1].get_paths()[0].vertices)
    assert max(band[:, 1]) == pytest.approx(100 * max(curve.high))
    assert min(band[:, 1]) == pytest.approx(100 * min(curve.low))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(FIVE)


def test_many_strategies_have_a_panel_each_with_the_baseline(tmp_path: Path):
    names = [f's{index}' for index in range(9)]
    run = read_run(fake_run(tmp_path, names, (0,)))
    axes = plot_learning_curves(run).axes
    assert [panel.get_title() for panel in axes] == names
    baseline = heights(axes[0].lines[1])
    for panel in axes:
        assert heights(panel.lines[0]) == baseline


def test_one_epoch_shows_its_band_and_a_whole_epoch_on_the_axis(tmp_path: Path):
    figure = plot_learning_curves(read_run(fake_run(tmp_path, ('max',), epochs=1)))
    axes = figure.axes[0]
    assert len(axes.collections) == 2
    ticks = [tick for tick in axes.get_xticks() if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
    assert ticks == [1.0]
