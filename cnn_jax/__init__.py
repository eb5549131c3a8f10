"""cnn_jax: convolutional networks and their pooling in JAX and Flax.

Packages, in the order in which they may import each other: `ops` (arrays in, arrays out),
`strategies` (ways to downsample), `layers` (of Flax Linen), `models`, `training`, `evaluation`,
`runs` (what touches the disk) and `reports`; `weights` (files of variables, to and from PyTorch)
and `inspection` (summaries and receptive fields) stand on `models`, `transform` (functions of any
model) on `strategies`. `data` is a leaf, like `ops`.
Importing this package changes no global setting.
"""

__version__ = '0.1.0'

from cnn_jax.checks import Check


def check_backend(*, raise_if_wrong: bool = True) -> list[Check]:
    """Whether JAX computes right numbers on the device at hand: known answers, in two seconds.

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

    In a notebook: the first cell, before JAX computes anything; `cnn_jax.xla_flags` says more.
    Experiments do it themselves.

    >>> set_xla_flags()
    """
    from cnn_jax.xla_flags import set_xla_flags

    set_xla_flags()
