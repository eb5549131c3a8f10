"""XLA's FLOPs count of a program, the same on every machine."""

from collections.abc import Callable
from typing import Any

import jax

from cnn_jax.errors import require


def counted_flops(function: Callable, *arguments: Any) -> float:
    """Floating-point operations of `function` in its portable form, before XLA optimises it.

    The form is the one for a GPU, but no GPU is needed; JAX's CPU platform does the counting,
    because JAX's plugins for accelerators cannot. A multiply-add is two operations, and products
    with the zeros of a convolution's padding are left out; the body of a loop counts once, and
    both sides of a condition count as one. `arguments` may be shapes (jax.ShapeDtypeStruct). Raises
    BadInput if JAX_PLATFORMS excludes the CPU.

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
