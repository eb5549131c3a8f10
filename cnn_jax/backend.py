"""Whether JAX computes correctly on this device: small programs with known results.

The programs are compiled like a user's, in float32 with products in the highest precision that
the device has (float32 itself on CPU and GPU). Their inputs are fractions that float32 represents
exactly, from `numbers`; the correct outputs were computed in float64 by loops that share no code
with this package (`tests/test_backend.py` recomputes them) and are kept as digests: the norm and
two weighted sums of each array.
"""

import importlib.metadata
import os
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.backend_answers import ANSWERS, Digest
from cnn_jax.checks import Check
from cnn_jax.errors import BadInput, WrongBackend
from cnn_jax.platforms import no_device
from cnn_jax.xla_flags import FLAG

TOLERANCE = 1e-4  # of a digest, relative; float32 stays below 1e-6


def check_backend(*, raise_if_wrong: bool = True) -> list[Check]:
    """Implements `cnn_jax.check_backend`; see its docstring."""
    checks = backend_checks()
    wrong = [check for check in checks if not check.ok]
    if wrong and raise_if_wrong:
        told = '; '.join(f'{check.name}: {check.message}' for check in wrong)
        raise WrongBackend(f'JAX computes wrong numbers here ({_device()}). {told}. {remedy()}')
    return checks


def backend_checks() -> list[Check]:
    """The outcome of every program, on JAX's default device.

    Where the network is wrong, its parts follow separately.

    Raises BadInput where there is no device, for example not the one that JAX_PLATFORMS names.

    >>> {check.message for check in backend_checks()}
    {'right'}
    """
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:
        message = no_device(error)
        if message is None:
            raise
        raise BadInput(message) from None
    checks = [_outcome(name) for name in PROGRAMS]
    if not checks[-1].ok:
        checks += [_outcome(name) for name in PARTS]
    return checks


def remedy() -> str:
    """What to do about wrong numbers."""
    if jax.default_backend() == 'cpu' and FLAG not in os.environ.get('XLA_FLAGS', '').split():
        return (
            f'Set XLA_FLAGS={FLAG} before Python starts, or restart (a notebook: its kernel) and '
            f'call cnn_jax.set_xla_flags() before JAX computes anything.'
        )
    return 'Trust no result of this device; try another jaxlib, and tell the developers of JAX.'


def numbers(shape: Sequence[int], step: int) -> Float[np.ndarray, '...']:
    """An array whose element i is (step i mod 101 - 50) / 64, which float32 represents exactly.

    >>> numbers((2, 2), 37).tolist()
    [[-0.78125, -0.203125], [0.375, -0.625]]
    """
    flat = np.arange(np.prod(shape, dtype=int)) * step % 101
    return ((flat - 50) / 64).astype(np.float32).reshape(shape)


def digest(array: Array | np.ndarray) -> Digest:
    """An array's norm, and its sums weighted by two rows of `numbers`, in float64.

    >>> [round(value, 4) for value in digest(np.float32([3, 4]))]
    [5.0, -4.4062, -1.0312]
    """
    flat = np.asarray(array, np.float64).ravel()
    sums = [float(flat @ numbers(flat.shape, step)) for step in (17, 71)]
    return float(np.linalg.norm(flat)), sums[0], sums[1]


def error_of(name: str) -> float:
    """The error of a program's outputs, relative to their norms."""
    program, inputs = {**PROGRAMS, **PARTS}[name]
    with jax.default_matmul_precision('highest'):
        outputs = jax.jit(program)(*inputs())
    return max(_error(a, right) for a, right in zip(outputs, ANSWERS[name], strict=True))


def _error(array: Array | np.ndarray, right: Digest) -> float:
    values = np.asarray(array, np.float64)
    if not np.isfinite(values).all():
        return float('inf')
    weight = np.array([1, 0.45, 0.45])  # the root mean square of `numbers` is 0.45
    return float(np.max(np.abs(np.subtract(digest(values), right)) / (weight * right[0])))


def _outcome(name: str) -> Check:
    error = error_of(name)
    good = error <= TOLERANCE
    return Check(name, good, 'right' if good else f'wrong, by {error:.1g} of its size')


def _device() -> str:
    return f'{jax.devices()[0].device_kind}, jaxlib {importlib.metadata.version("jaxlib")}'


Program = Callable[..., tuple[Array, ...]]


def _product_and_sum(x: Array) -> tuple[Array, ...]:
    return (jnp.sum((x @ jnp.full_like(x, 1.75)) * x, -1),)


def _product_and_sum_by_einsum(x: Array) -> tuple[Array, ...]:
    product = jnp.einsum('bik,bkj->bij', x, jnp.full_like(x, 1.75))
    return (jnp.einsum('bij,bij->bi', product, x),)


def _network(x: Array, kernel: Array, scale: Array, bias: Array, dense: Array) -> Array:
    y = jax.nn.relu(ops.batch_norm(ops.conv(x, kernel), scale, bias)[0])
    y = ops.max_blur_pool(y)
    return y.reshape(len(y), -1) @ dense


def _with_gradients(function: Callable[..., Array]) -> Program:
    """The function's output, and the gradients of a weighted sum of it at each input."""

    def program(*inputs: Array) -> tuple[Array, ...]:
        y, pullback = jax.vjp(function, *inputs)
        return y, *pullback(jnp.asarray(numbers(y.shape, 53)))

    return program


def _inputs(*shapes: Sequence[int]) -> Callable[[], list[np.ndarray]]:
    steps = (37, 29, 43, 61, 31)
    return lambda: [
        numbers(shape, step) for shape, step in zip(shapes, steps[: len(shapes)], strict=True)
    ]


Programs = Mapping[str, tuple[Program, Callable[[], list[np.ndarray]]]]
PROGRAMS: Programs = {
    'product and sum, small': (_product_and_sum, _inputs((32, 16, 16))),
    'product and sum, large': (_product_and_sum, _inputs((128, 64, 64))),
    'product and sum by einsum': (_product_and_sum_by_einsum, _inputs((128, 64, 64))),
    'max pooling': (_with_gradients(lambda x: ops.max_pool(x, window=2)), _inputs((4, 8, 8, 4))),
    'a network': (
        _with_gradients(_network),
        _inputs((4, 8, 8, 3), (3, 3, 3, 8), (8,), (8,), (128, 10)),
    ),
}
PARTS: Programs = {
    'convolution': (_with_gradients(ops.conv), _inputs((4, 8, 8, 3), (3, 3, 3, 8))),
    'batch normalisation': (
        _with_gradients(lambda *inputs: ops.batch_norm(*inputs)[0]),
        _inputs((4, 6, 6, 8), (8,), (8,)),
    ),
    'max-blur pooling': (_with_gradients(ops.max_blur_pool), _inputs((4, 8, 8, 4))),
    'dense layer': (_with_gradients(jnp.matmul), _inputs((16, 32), (32, 10))),
}
