"""The version of this package, recorded in every file of a run that is read again."""

import importlib.metadata


def package_version() -> str:
    """The installed version of cnn_jax.

    >>> package_version().count('.')
    2
    """
    try:
        return importlib.metadata.version('cnn_jax')
    except importlib.metadata.PackageNotFoundError:  # importable, but not installed
        return '0.0.0'
