"""What XLA counts for a program, the same on every machine."""

from collections.abc import Callable
from typing import Any

import jax

from cnn_jax.errors import require


def counted_flops(function: Callable, *arguments: Any) -> float:
    """Floating-point operations of `function` in its portable form, before XLA optimises it.

    The form is the one for a GPU, which needs none; the counting is done by JAX's CPU platform,
    because JAX's plugins for accelerators do not count. A multiply-add is two operations, and
    products with the zeros of a convolution's padding are left out. `arguments` may be shapes
    (jax.ShapeDtypeStruct). Raises BadInput where JAX_PLATFORMS leaves out the CPU.

    >>> x = jax.ShapeDtypeStruct((2, 3), 'float32')
    >>> counted_flops(lambda x: x + x * x, x)
    12.0
    """
    try:
        host = jax.local_devices(backend='cpu')[0]
    except RuntimeError:
        host = None
    require(
        host is not None,
        'counting operations needs the CPU platform beside the accelerator: add it, as in '
        'JAX_PLATFORMS=cuda,cpu, or unset JAX_PLATFORMS.',
    )
    with jax.default_device(host):
        traced = jax.jit(function).trace(*arguments)
        counted = traced.lower(lowering_platforms=('cuda',)).cost_analysis()
    assert counted is not None
    return float(counted.get('flops', 0))
