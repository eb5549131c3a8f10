"""What XLA is told about the order of the work, and what JAX tells about an array beforehand."""

import jax
from jax import lax
from jaxtyping import Array


def computed_once(x: Array) -> Array:
    """`x`; on a CPU it is computed and kept before anything reads it.

    XLA:CPU computes cheap arithmetic again in each loop that reads it, and fuses a reshape into the
    loop before it, which then computes an index for every element. Elsewhere XLA decides.

    >>> import jax.numpy as jnp
    >>> computed_once(jnp.ones(2)).tolist()
    [1.0, 1.0]
    """
    return lax.platform_dependent(x, cpu=lax.optimization_barrier, default=lambda x: x)


def is_symbolic(x: Array) -> bool:
    """Whether a size of `x` is a symbol, as `jax.export` has them, and no number.

    >>> import jax.numpy as jnp
    >>> is_symbolic(jnp.ones(2))
    False
    """
    return not all(isinstance(size, int) for size in x.shape)


def is_sharded(x: Array) -> bool:
    """Whether the type of `x` says how it is sharded: a mesh with axes of `AxisType.Explicit`.

    Such an axis cannot be cut or reshaped freely.

    >>> import jax.numpy as jnp
    >>> is_sharded(jnp.ones(2))
    False
    """
    return any(axis is not None for axis in jax.typeof(x).sharding.spec)
