"""The floating type of an op's internal arithmetic: one rule for all ops.

It also works under `jax_numpy_dtype_promotion='strict'`, where `jnp.promote_types` raises.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def compute_dtype(*arrays: Array) -> np.dtype:
    """float64 if an array is float64, else float32.

    >>> compute_dtype(jnp.ones(1, jnp.bfloat16)).name
    'float32'
    """
    widest = jnp.float64 if any(a.dtype == np.float64 for a in arrays) else jnp.float32
    return np.dtype(widest)


def at_least_float32(x: Array, *others: Array) -> Array:
    """`x` in the `compute_dtype` of all arrays given.

    >>> at_least_float32(jnp.ones(1, jnp.bfloat16)).dtype.name
    'float32'
    """
    return x.astype(compute_dtype(x, *others))
