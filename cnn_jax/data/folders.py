"""Where data sets lie on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where what can be made again is kept: `$XDG_CACHE_HOME/cnn_jax`, else `~/.cache/cnn_jax`.

    >>> cache_folder().name
    'cnn_jax'
    """
    base = os.environ.get('XDG_CACHE_HOME')
    return (Path(base).expanduser() if base else Path.home() / '.cache') / 'cnn_jax'


def data_dir() -> Path:
    """The data folder: `$CNN_JAX_DATA_DIR`, else `data` in the cache folder. It need not exist yet.

    An empty variable counts as unset.

    >>> os.environ['CNN_JAX_DATA_DIR'] = 'elsewhere'
    >>> data_dir().as_posix()
    'elsewhere'
    >>> del os.environ['CNN_JAX_DATA_DIR']
    """
    named = os.environ.get('CNN_JAX_DATA_DIR')
    return Path(named).expanduser() if named else cache_folder() / 'data'
