"""The parts of the variance, of simulated data with known parts, and by plain loops."""

from pathlib import Path

import numpy as np
import pytest

from cnn_jax.reports.run import CellResult
from cnn_jax.reports.spread import accuracy_spread, variance_parts


def test_parts_by_loops():
    right = np.random.default_rng(0).random((4, 7)) < 0.6
    found = variance_parts(right)
    values = right.astype(float).tolist()
    whole = sum(map(sum, values)) / 28
    seeds = [sum(row) / 7 for row in values]
    images = [sum(row[i] for row in values) / 4 for i in range(7)]
    noise = sum(
        (values[s][i] - seeds[s] - images[i] + whole) ** 2 for s in range(4) for i in range(7)
    ) / (3 * 6)
    ms_seeds = 7 * sum((m - whole) ** 2 for m in seeds) / 3
    ms_images = 4 * sum((m - whole) ** 2 for m in images) / 6
    assert found['seen'] == pytest.approx((ms_seeds / 7) ** 0.5)
    assert found['training'] == pytest.approx((max(0, ms_seeds - noise) / 7) ** 0.5)
    assert found['test_set'] == pytest.approx((max(0, ms_images - noise) / 4 / 7) ** 0.5)


def test_drawn_networks_of_known_spread():
    """Seeds of spread .02 on images whose difficulty varies by .2: the model's own draws."""
    draw = np.random.default_rng(1)
    seeds, images = 200, 4000
    chance = 0.8 + 0.02 * draw.normal(size=(seeds, 1)) + 0.1 * draw.choice([-1, 1], (1, images))
    found = variance_parts(draw.random((seeds, images)) < chance)
    assert found['training'] == pytest.approx(0.02, rel=0.15)
    assert found['seen'] > found['training']
    assert found['test_set'] == pytest.approx(0.1 / np.sqrt(images), rel=0.1)


def test_equal_networks_have_no_spread_of_training():
    draw = np.random.default_rng(2)
    found = variance_parts(draw.random((12, 3000)) < 0.9)
    assert found['training'] < 0.5 * found['seen']


def test_without_predictions_or_with_one_seed_there_is_none(tmp_path: Path):
    cell = CellResult('max', 0, tmp_path, 'completed', {}, {}, ())
    assert accuracy_spread([cell, cell]) is None
    np.savez(tmp_path / 'predictions.npz', predictions=np.arange(4), labels=np.arange(4))
    assert accuracy_spread([cell]) is None
    found = accuracy_spread([cell, cell])
    assert found == {'seen': 0.0, 'training': 0.0, 'test_set': 0.0}
