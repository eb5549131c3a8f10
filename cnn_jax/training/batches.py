"""The order in which training sees its examples: a pure function of seed and epoch."""

from functools import partial

import jax
from jaxtyping import Array, Int, Key

from cnn_jax.streams import Stream, stream_key


@partial(jax.jit, static_argnames=('examples', 'batch_size'))
def epoch_order(
    key: Key[Array, ''], epoch: int | Array, *, examples: int, batch_size: int
) -> Int[Array, 'steps {batch_size}']:
    """The example indices of each step of an epoch: a permutation, cut into whole batches.

    The last `examples % batch_size` of the permutation sit this epoch out: other ones each epoch.

    >>> order = epoch_order(jax.random.key(0), 0, examples=10, batch_size=4)
    >>> order.shape, len(set(order.ravel().tolist()))
    ((2, 4), 8)
    """
    shuffled = jax.random.permutation(stream_key(key, Stream.ORDER, epoch), examples)
    steps = examples // batch_size
    return shuffled[: steps * batch_size].reshape(steps, batch_size)
