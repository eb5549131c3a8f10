"""Shift maps: which images are chosen, and that the maps have the right orientation."""

from pathlib import Path

import numpy as np
import pytest

from cnn_jax.reports.run import Run, read_run
from cnn_jax.reports.shift_maps import ShiftPanels, choose_shift_panels, plot_shift_maps
from cnn_jax.style import png
from tests.reports.fake_run import fake_images, fake_run


def rewrite_maps(run: Run, strategy: str, seed: int, maps: np.ndarray, shade: int = 0) -> None:
    (cell,) = [c for c in run.cells if (c.strategy, c.seed) == (strategy, seed)]
    images, labels = fake_images()
    np.savez(
        cell.folder / 'predictions.npz',
        shift_maps=maps.astype(np.float32),
        shift_images=images + np.uint8(shade),
        shift_labels=labels,
    )


def noisy_at(*images: int) -> np.ndarray:
    """Six 7x7 maps of 0.5; the named images vary, the first named the most."""
    maps = np.full((6, 7, 7), 0.5)
    for rank, image in enumerate(images):
        maps[image, ::2] += 0.4 - 0.05 * rank
    return maps


def test_the_images_on_which_the_baseline_varies_most_come_first(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('avg', 'max'), (0, 1)))
    run = Run(run.folder, dict(run.config) | {'baseline': 'max'}, run.class_names, run.cells)
    rewrite_maps(run, 'max', 0, noisy_at(5, 2, 0, 3))
    panels = choose_shift_panels(run)
    assert panels is not None
    assert panels.names == ('class 5', 'Pullover', 'T-shirt/top', 'Dress')
    np.testing.assert_array_equal(panels.images, fake_images()[0][[5, 2, 0, 3]])
    np.testing.assert_allclose(panels.maps['max'][0], noisy_at(5)[5])
    assert list(panels.maps) == ['avg', 'max']


def test_a_strategy_whose_first_seed_diverged_shows_another(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max', 'avg'), (0, 1), diverged=[('avg', 0)]))
    panels = choose_shift_panels(run)
    assert panels is not None
    assert panels.seeds == {'max': 0, 'avg': 1}


def test_maps_of_other_images_are_not_mixed_in(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max', 'avg'), (0,)))
    rewrite_maps(run, 'avg', 0, noisy_at(0), shade=1)
    panels = choose_shift_panels(run)
    assert panels is not None
    assert list(panels.maps) == ['max']


def test_no_maps_at_all(tmp_path: Path):
    assert (
        choose_shift_panels(read_run(fake_run(tmp_path, ('m',), (0,), missing=[('m', 0)]))) is None
    )


def panels_of(strategies: int, images: int = 2, channels: int = 1) -> ShiftPanels:
    maps = np.linspace(0, 1, images * 49, dtype=np.float32).reshape(images, 7, 7)
    return ShiftPanels(
        images=np.zeros((images, 8, 8, channels), np.uint8),
        names=tuple(f'image {index}' for index in range(images)),
        maps={f's{index}': maps for index in range(strategies)},
        seeds={f's{index}': 0 for index in range(strategies)},
    )


def test_rows_are_dy_downwards_and_columns_dx_in_pixels():
    axes = plot_shift_maps(panels_of(1)).axes[1]
    (drawn,) = axes.images
    assert tuple(drawn.get_extent()) == (-3.5, 3.5, 3.5, -3.5)
    assert drawn.origin == 'upper'
    assert drawn.get_clim() == (0, 1)
    # The data's place [0, 6] is dy = -3 (up) and dx = 3 (right).
    assert np.asarray(drawn.get_array())[0, 6] == panels_of(1).maps['s0'][0, 0, 6]
    assert axes.get_ylabel() == 'dy (pixels)'
    assert list(axes.get_xticks()) == [-3, 0, 3]


@pytest.mark.parametrize('strategies', [1, 5, 7, 8, 20])
def test_every_strategy_and_image_has_its_map_and_one_colour_bar(strategies: int):
    figure = plot_shift_maps(panels_of(strategies))
    titles = [axes.get_title() for axes in figure.axes]
    assert [title for title in titles if title.startswith('s')] == [
        f's{index}' for index in range(strategies)
    ]
    assert sum(len(axes.images) for axes in figure.axes) == 2 * (strategies + -(-strategies // 7))
    bars = [axes.get_ylabel() for axes in figure.axes if 'probability' in axes.get_ylabel()]
    assert bars == ['probability of the true class']


@pytest.mark.parametrize('channels', [1, 2, 3])
def test_images_of_any_number_of_channels(channels: int):
    assert png(plot_shift_maps(panels_of(2, channels=channels)))
