from pathlib import Path

import pytest

from cnn_jax.data import data_dir


@pytest.mark.parametrize(
    ('environment', 'expected'),
    [
        ({'CNN_JAX_DATA_DIR': '/own', 'XDG_CACHE_HOME': '/cache'}, '/own'),
        ({'CNN_JAX_DATA_DIR': '~/own'}, '/home/someone/own'),
        ({'XDG_CACHE_HOME': '/cache'}, '/cache/cnn_jax/data'),
        ({'CNN_JAX_DATA_DIR': '', 'XDG_CACHE_HOME': ''}, '/home/someone/.cache/cnn_jax/data'),
        ({}, '/home/someone/.cache/cnn_jax/data'),
    ],
)
def test_order_of_places(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
):
    for name in ('CNN_JAX_DATA_DIR', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', '/home/someone')
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert data_dir() == Path(expected)
