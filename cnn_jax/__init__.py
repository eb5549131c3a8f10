"""cnn_jax: convolutional networks and their pooling in JAX and Flax.

Packages, each of which may import only those before it: `ops` (arrays in, arrays out),
`strategies` (ways to downsample), `layers` (Flax Linen layers), `models`, `training`, `evaluation`,
`runs` (everything that touches the disk) and `reports`; `weights` (files of variables, to and from
PyTorch) and `inspection` (summaries and receptive fields) build on `models`, `transform` (functions
of any model) on `strategies`. `data` is a leaf, like `ops`. Importing this package changes no
global setting.
"""

__version__ = '0.1.0'

from cnn_jax.checks import Check


def check_backend(*, raise_if_wrong: bool = True) -> list[Check]:
    """Checks in two seconds that JAX computes correctly on this device, by known results.

    Raises `cnn_jax.errors.WrongBackend`, which says what is wrong and what to set, unless
    `raise_if_wrong` is False; `BadInput` where there is no device. XLA:CPU does compute wrong
    numbers, silently, unless a flag is set: see `cnn_jax.xla_flags`.

    >>> [check.name for check in check_backend() if not check.ok]
    []
    """
    from cnn_jax.backend import check_backend

    return check_backend(raise_if_wrong=raise_if_wrong)


def set_xla_flags() -> None:
    """Switches off the fusions of XLA:CPU that compute wrong numbers, in this process.

    In a notebook, call it in the first cell, before JAX computes anything; `cnn_jax.xla_flags`
    explains it. Experiments call it themselves.

    >>> set_xla_flags()
    """
    from cnn_jax.xla_flags import set_xla_flags

    set_xla_flags()
