"""Independent random streams from one seed; no key is carried along or stored in a checkpoint.

A draw's key is fold_in(fold_in(key(seed), stream), step), so it depends only on these three.
"""

import enum

import jax
from jaxtyping import Array, Key


class Stream(enum.IntEnum):
    """What the randomness is for. The values are part of a run's meaning: never renumber."""

    INIT = 0
    ORDER = 1
    AUGMENT = 2
    MODEL = 3
    SHIFTS = 4


def stream_key(key: Key[Array, ''], stream: Stream, step: int | Array) -> Key[Array, '']:
    """The key of one draw.

    >>> a = stream_key(jax.random.key(0), Stream.ORDER, 1)
    >>> b = stream_key(jax.random.key(0), Stream.AUGMENT, 1)
    >>> bool((jax.random.key_data(a) == jax.random.key_data(b)).all())
    False
    """
    return jax.random.fold_in(jax.random.fold_in(key, int(stream)), step)
