"""MNIST-1D: the generator's values as bytes, and the wheel that brings the generator."""

import hashlib
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.mnist1d import MNIST1D, _make, quantise
from cnn_jax.data.published import load_published
from cnn_jax.data.sources import from_pypi

GENERATOR = """
import matplotlib.pyplot as plt, numpy as np, requests
assert not hasattr(requests, 'get') and not hasattr(plt, 'figure')
def make_dataset():
    np.random.seed(42)
    x, y = np.random.randn(6, 40), np.arange(6)
    return {'x': x[:4], 'y': y[:4], 'x_test': x[4:], 'y_test': y[4:]}
"""


def wheel(folder: Path) -> str:
    """A wheel with a generator of six sequences, for pip to find in `folder`; its SHA-256."""
    path = folder / 'tiny1d-1.0-py3-none-any.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('mnist1d/__init__.py', '')
        archive.writestr('mnist1d/data.py', GENERATOR)
        metadata = 'Metadata-Version: 2.1\nName: tiny1d\nVersion: 1.0\nRequires-Dist: no-such\n'
        archive.writestr('tiny1d-1.0.dist-info/METADATA', metadata)
        archive.writestr('tiny1d-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\nTag: py3-none-any\n')
        archive.writestr('tiny1d-1.0.dist-info/RECORD', '')
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pytest.importorskip('pip')
    (tmp_path / 'index').mkdir()
    (tmp_path / 'scratch').mkdir()
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(tmp_path / 'index'))
    return tmp_path / 'index'


def test_a_wheel_whose_generator_makes_the_files(index: Path, tmp_path: Path):
    state = np.random.get_state()[1].copy()
    source = from_pypi('tiny1d', '1.0', wheel(index), _make)
    assert source.title == 'PyPI package tiny1d==1.0 by pip download'
    made = source.fetch(tmp_path / 'scratch')
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made.iterdir()}
    assert set(files) == set(MNIST1D.files)
    lines = []
    tiny = replace(MNIST1D, files=files, sources=(source,), space=1)
    first, again = (load_published(tiny, tmp_path / 'data', log=lines.append) for _ in range(2))
    assert first.fingerprint == again.fingerprint and 'published files in' in lines[-1]
    assert first.image_shape == (1, 40, 1) and first.test.labels.tolist() == [4, 5]
    drawn = np.random.RandomState(42).randn(6, 40)
    np.testing.assert_array_equal(first.train.images[:, 0, :, 0], quantise(drawn)[:4])
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # ours has not moved
    assert 'mnist1d' not in sys.modules


def test_a_wheel_of_another_hash_is_not_opened(index: Path, tmp_path: Path):
    wheel(index)
    with pytest.raises(SourceFailed, match='is not the known one'):
        from_pypi('tiny1d', '1.0', '0' * 64, _make).fetch(tmp_path / 'scratch')
    assert not (tmp_path / 'scratch' / 'package').exists()


def test_no_such_package(index: Path, tmp_path: Path):
    with pytest.raises(SourceFailed, match='failed with code 1: ERROR: .*tiny1d'):
        from_pypi('tiny1d', '1.0', '0' * 64, _make).fetch(tmp_path / 'scratch')


def test_levels_are_nearest_and_in_order():
    values = np.linspace(-7, 7, 10_001)
    levels = quantise(values).astype(int)
    assert (np.diff(levels) >= 0).all() and levels[0] == 0 and levels[-1] == 255
    inside = abs(values) < 5.5
    assert abs((levels - 128) / 23 - values)[inside].max() <= 0.5 / 23 + 1e-12
