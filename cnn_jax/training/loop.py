"""Drives the train step over an epoch.

On a CPU, Python dispatches each step, which costs about 0.1 ms; inside a compiled loop the
gradients of lax's convolutions would run 20 to 40 times slower. On an accelerator, the steps
between two checks are one compiled loop.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import jax
from jax import lax
from jaxtyping import Array, Int, Key, Shaped, UInt8

from cnn_jax.training.state import EpochSums, TrainState
from cnn_jax.training.step import TrainStep

Outcome = Literal['finished', 'stopped', 'diverged']
_LOOK_EVERY = 10  # steps between checks of the clock, the stop signal and the loss


def train_epoch(
    step: TrainStep,
    state: TrainState,
    sums: EpochSums,
    *,
    images: UInt8[Array, 'examples height width channels'],
    labels: Shaped[Array, 'examples ...'],
    order: Int[Array, '*runs steps batch'],
    key: Key[Array, '*runs'],
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[int], None] = lambda steps: None,
    compiled_loop: bool | None = None,
) -> tuple[TrainState, EpochSums, Outcome]:
    """Trains from `state.step` to the end of its epoch.

    Every few steps it waits for the device, calls `tick(steps done since the last call)` and
    checks: if `stop()` is true it ends with 'stopped', and the epoch can be resumed from the
    returned state; if a loss was not finite it ends with 'diverged'. `compiled_loop` says whether
    the steps between two checks are one program; by default they are unless the device is a CPU.

    Trains several runs as one where the step is made for them (`make_train_step`, `together`): all
    are at the same step, and one that has 'diverged' ends the others' epoch, too.
    """
    if compiled_loop is None:
        compiled_loop = jax.default_backend() != 'cpu'
    several = _compiled_steps(step) if compiled_loop else _dispatched_steps(step)
    data = images, labels, order, key
    steps = order.shape[-2]
    done = int(state.step.ravel()[0]) % steps
    while done < steps:
        count = min(_LOOK_EVERY - done % _LOOK_EVERY, steps - done)
        state, sums = several(count, state, sums, *data)
        done += count
        if bool((sums.first_bad_step >= 0).any()):
            return state, sums, 'diverged'
        tick(count)
        if done < steps and stop():
            return state, sums, 'stopped'
    return state, sums, 'finished'


def _dispatched_steps(step: TrainStep) -> Callable:
    def several(count: int, state: TrainState, sums: EpochSums, *data: Array):
        for _ in range(count):
            state, sums = step(state, sums, *data)
        return state, sums

    return several


@lru_cache(maxsize=32)
def _compiled_steps(step: TrainStep) -> Callable:
    """One program for any number of steps."""

    def several(count: Array, state: TrainState, sums: EpochSums, *data: Array):
        return lax.fori_loop(0, count, lambda _, carry: step(*carry, *data), (state, sums))

    return jax.jit(several, donate_argnums=(1, 2))
