"""What training carries from step to step: arrays only, for vmap and checkpoints."""

from collections.abc import Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import Array, Key

from cnn_jax.models import Classifier
from cnn_jax.streams import Stream, stream_key

# A scalar array, or any other leaf when JAX or Orbax maps over the tree (shapes, save arguments).
Leaf = Any
Tree = TypeVar('Tree')


@struct.dataclass
class TrainState:
    """The model and the optimiser after `step` steps."""

    step: Leaf  # int32
    params: optax.Params
    batch_stats: optax.Params
    opt_state: optax.OptState

    @property
    def variables(self) -> dict:
        """What the model's `apply` takes."""
        return {'params': self.params, 'batch_stats': self.batch_stats}


@struct.dataclass
class EpochSums:
    """Sums over the training examples of one epoch so far, divided once at its end."""

    loss: Leaf  # float32
    correct: Leaf  # int32
    count: Leaf  # int32
    first_bad_step: Leaf  # int32: the first step whose loss was not finite; -1: none


def zero_sums() -> EpochSums:
    """The sums before an epoch's first step.

    >>> int(zero_sums().first_bad_step)
    -1
    """
    zero = jnp.zeros((), jnp.int32)
    return EpochSums(
        loss=jnp.zeros(()), correct=zero, count=jnp.zeros((), jnp.int32), first_bad_step=zero - 1
    )


def create_state(
    classifier: Classifier,
    optimizer: optax.GradientTransformation,
    key: Key[Array, ''],
    image_shape: tuple[int, int, int],
) -> TrainState:
    """The state before the first step; `key` is the run's key, `jax.random.key(seed)`."""
    variables = classifier.init(stream_key(key, Stream.INIT, 0), image_shape)
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=variables['params'],
        batch_stats=variables['batch_stats'],
        opt_state=jax.jit(optimizer.init)(variables['params']),
    )


def stacked(trees: Sequence[Tree]) -> Tree:
    """Several trees of equal structure as one, each leaf with a leading axis of runs.

    >>> stacked([zero_sums(), zero_sums()]).count.shape
    (2,)
    """
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *trees)


def unstacked(tree: Tree, runs: int) -> list[Tree]:
    """The inverse of `stacked`.

    >>> [int(sums.count) for sums in unstacked(stacked([zero_sums(), zero_sums()]), 2)]
    [0, 0]
    """
    leaves, form = jax.tree.flatten(tree)
    return [form.unflatten(leaf[run] for leaf in leaves) for run in range(runs)]
