"""Where data sets lie on this machine."""

import os
from pathlib import Path


def data_dir() -> Path:
    """The data folder: `$CNN_JAX_DATA_DIR`, else `$XDG_CACHE_HOME/cnn_jax/data`, else
    `~/.cache/cnn_jax/data`. It need not exist yet. An empty variable counts as unset.

    >>> os.environ['CNN_JAX_DATA_DIR'] = 'elsewhere'
    >>> data_dir().as_posix()
    'elsewhere'
    >>> del os.environ['CNN_JAX_DATA_DIR']
    """
    if named := os.environ.get('CNN_JAX_DATA_DIR'):
        return Path(named).expanduser()
    if cache := os.environ.get('XDG_CACHE_HOME'):
        return Path(cache).expanduser() / 'cnn_jax' / 'data'
    return Path.home() / '.cache' / 'cnn_jax' / 'data'
