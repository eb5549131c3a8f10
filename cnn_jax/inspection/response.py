"""What a downsampling strategy does to each frequency, and which frequencies alias."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax.errors import require
from cnn_jax.layers import Downsample
from cnn_jax.strategies import Strategy

_LENGTH, _PHASES = 64, 32


def filter_response(
    kernel: Float[Array | np.ndarray, 'taps'], frequencies: Float[np.ndarray, 'frequencies']
) -> Float[np.ndarray, 'frequencies']:
    """The gain |H(f)| of a one-dimensional filter at each frequency, in cycles per pixel.

    >>> filter_response(np.array([0.25, 0.5, 0.25]), np.array([0.0, 0.25, 0.5])).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    taps = np.arange(len(kernel))
    waves = np.exp(-2j * np.pi * np.outer(frequencies, taps))
    return abs(waves @ np.asarray(kernel, np.float64))


def strategy_response(
    strategy: Strategy, cycles: Sequence[int] = tuple(range(_LENGTH // 2 + 1))
) -> tuple[Float[np.ndarray, 'frequencies'], Float[np.ndarray, 'frequencies']]:
    """The gain of a strategy at each frequency: (frequencies in cycles per pixel, gains).

    For each number of `cycles` over 64 pixels, a wave 1 + cos in 32 phases goes through the
    strategy; the gain is the standard deviation (over positions and phases) of the output divided
    by that of the wave; at frequency 0, the output's mean divided by the wave's. The output of a
    wave beyond half the output's sampling rate has another frequency: it is aliased. This is exact
    for linear strategies, but only a description of nonlinear ones, whose responses to several
    waves do not add up. Parameters have their initial values.

    >>> from cnn_jax.strategies import Blur, Stride
    >>> strategy_response(Blur(padding='circular'), (0, 16, 31))[1].round(2).tolist()
    [1.0, 0.5, 0.0]
    """
    require(
        len(cycles) > 0 and all(0 <= c <= _LENGTH // 2 for c in cycles),
        f'cycles must be from 0 to {_LENGTH // 2} over {_LENGTH} pixels; got {tuple(cycles)}.',
    )
    place = np.arange(_LENGTH) / _LENGTH
    phases = 2 * np.pi * np.arange(_PHASES) / _PHASES
    waves = np.stack(
        [[1 + np.cos(2 * np.pi * c * place + phase) for phase in phases] for c in cycles]
    )
    rows = jnp.asarray(waves.reshape(-1, 1, _LENGTH, 1), jnp.float32)
    images = jnp.broadcast_to(rows, (len(rows), 8, _LENGTH, 1))  # waves along the width
    layer = Downsample(strategy)
    key = jax.random.key(0)
    y, _ = layer.init_with_output({'params': key, 'downsample': key}, images, train=False)
    out = np.asarray(y, np.float64)[:, y.shape[1] // 2, :, 0].reshape(len(cycles), -1)
    deviation = (waves - 1).reshape(len(cycles), -1).std(1)
    gains = np.where(
        np.array(cycles) == 0,
        out.mean(1) / waves.mean((1, 2)),
        out.std(1) / np.maximum(deviation, 1e-9),
    )
    return np.array(cycles) / _LENGTH, gains
