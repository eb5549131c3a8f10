"""Drives the train step over an epoch, from Python.

Not `lax.scan`: convolution gradients inside a loop run 20 to 40 times slower on XLA:CPU, and a
dispatch costs about 0.1 ms.
"""

from collections.abc import Callable
from typing import Literal

from jaxtyping import Array, Int, Key, UInt8

from cnn_jax.training.state import EpochSums, TrainState
from cnn_jax.training.step import TrainStep

Outcome = Literal['finished', 'stopped', 'diverged']
_LOOK_EVERY = 10  # steps between looks at the clock, the stop signal and the loss


def train_epoch(
    step: TrainStep,
    state: TrainState,
    sums: EpochSums,
    *,
    images: UInt8[Array, 'examples height width channels'],
    labels: Int[Array, 'examples'],
    order: Int[Array, 'steps batch'],
    key: Key[Array, ''],
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[int], None] = lambda steps: None,
) -> tuple[TrainState, EpochSums, Outcome]:
    """Trains from `state.step` to the end of its epoch.

    Every few steps it waits for the device, calls `tick(steps done since the last call)` and looks:
    `stop()` true ends it 'stopped', with a state from which the rest of the epoch can go on; a
    loss that was not finite ends it 'diverged'.
    """
    steps = order.shape[0]
    start = int(state.step) % steps
    looked = start
    for position in range(start, steps):
        state, sums = step(state, sums, images, labels, order, key)
        done = position + 1
        if done % _LOOK_EVERY and done < steps:
            continue
        if int(sums.first_bad_step) >= 0:
            return state, sums, 'diverged'
        tick(done - looked)
        looked = done
        if done < steps and stop():
            return state, sums, 'stopped'
    return state, sums, 'finished'
