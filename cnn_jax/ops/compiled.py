"""Hints to XLA about evaluation order, and what JAX knows about an array at trace time."""

import jax
from jax import lax
from jaxtyping import Array


def computed_once(x: Array) -> Array:
    """`x`; on a CPU it is computed and stored before anything reads it.

    XLA:CPU recomputes cheap arithmetic in each loop that reads it, and fuses a reshape into the
    loop before it, which then computes an index for every element. On other backends XLA decides.

    >>> import jax.numpy as jnp
    >>> computed_once(jnp.ones(2)).tolist()
    [1.0, 1.0]
    """
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)


def is_symbolic(x: Array) -> bool:
    """Whether a size of `x` is symbolic, as in `jax.export`, rather than a number.

    >>> import jax.numpy as jnp
    >>> is_symbolic(jnp.ones(2))
    False
    """
    return not all(isinstance(size, int) for size in x.shape)


def is_sharded(x: Array) -> bool:
    """Whether the type of `x` says how it is sharded: a mesh with axes of `AxisType.Explicit`.

    Such an axis cannot be sliced or reshaped freely.

    >>> import jax.numpy as jnp
    >>> is_sharded(jnp.ones(2))
    False
    """
    return any(axis is not None for axis in jax.typeof(x).sharding.spec)
