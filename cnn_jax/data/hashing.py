"""Random bits as a pure function of (seed, stream, index), the same on every numpy and machine.

`np.random.Generator` does not guarantee its streams across numpy versions, and a validation split
or a generated data set must never change. This is SplitMix64 (Steele, Lea and Flood 2014): a
counter passed through a bijective mixer, so the values of one stream never repeat.
"""

import numpy as np
from jaxtyping import UInt64

from cnn_jax.errors import require

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def random_bits(count: int, *, seed: int, stream: int = 0) -> UInt64[np.ndarray, 'count']:
    """`count` distinct uint64 values; the first k do not depend on `count`.

    seed, stream: whole numbers in `[0, 2**64)`, otherwise `BadInput`.

    >>> random_bits(2, seed=0).tolist()
    [3746585686858627171, 6235967106033911276]
    """
    for name, value in (('seed', seed), ('stream', stream)):
        require(0 <= value < 2**64, f'{name} is {value}: give a whole number from 0 to 2**64 - 1.')
    key = _mix(np.array([seed], np.uint64) + _GOLDEN)
    key = _mix(key ^ np.array([stream], np.uint64))
    return _mix(key + np.arange(count, dtype=np.uint64) * _GOLDEN)


def _mix(bits: UInt64[np.ndarray, ' n']) -> UInt64[np.ndarray, ' n']:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
