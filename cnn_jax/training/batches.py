"""The order of the training examples: a pure function of seed and epoch."""

from functools import partial

import jax
from jaxtyping import Array, Int, Key

from cnn_jax.streams import Stream, stream_key


def steps_per_epoch(examples: int, batch_size: int) -> int:
    """The number of full batches; leftover examples sit the epoch out.

    >>> steps_per_epoch(10, 4)
    2
    """
    return examples // batch_size


@partial(jax.jit, static_argnames=('examples', 'batch_size'))
def epoch_order(
    key: Key[Array, ''], epoch: int | Array, *, examples: int, batch_size: int
) -> Int[Array, 'steps {batch_size}']:
    """The example indices of each step of an epoch: a permutation, split into full batches.

    The last `examples % batch_size` of the permutation sit this epoch out, different ones each
    epoch.

    >>> order = epoch_order(jax.random.key(0), 0, examples=10, batch_size=4)
    >>> order.shape, len(set(order.ravel().tolist()))
    ((2, 4), 8)
    """
    shuffled = jax.random.permutation(stream_key(key, Stream.ORDER, epoch), examples)
    steps = steps_per_epoch(examples, batch_size)
    return shuffled[: steps * batch_size].reshape(steps, batch_size)
