"""What XLA is told about the order of the work."""

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
