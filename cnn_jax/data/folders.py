"""Where data sets are stored on this machine."""

import os
from pathlib import Path

from cnn_jax.errors import BadInput


def cache_folder() -> Path:
    """The folder for what can be regenerated: `$XDG_CACHE_HOME/cnn_jax`, else `~/.cache/cnn_jax`.

    >>> cache_folder().name
    'cnn_jax'
    """
    return _expanded(os.environ.get('XDG_CACHE_HOME') or '~/.cache') / 'cnn_jax'


def data_dir() -> Path:
    """The data folder: `$CNN_JAX_DATA_DIR`, else `data` in the cache folder. It need not exist yet.

    An empty variable counts as unset.

    >>> os.environ['CNN_JAX_DATA_DIR'] = 'elsewhere'
    >>> data_dir().as_posix()
    'elsewhere'
    >>> del os.environ['CNN_JAX_DATA_DIR']
    """
    named = os.environ.get('CNN_JAX_DATA_DIR')
    return _expanded(named) if named else cache_folder() / 'data'


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise BadInput(
            f'{path}: there is no such home folder. Set HOME, or CNN_JAX_DATA_DIR and '
            f'XDG_CACHE_HOME, to folders that can be written.'
        ) from None
