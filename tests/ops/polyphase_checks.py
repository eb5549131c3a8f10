"""Checks that the polyphase tests share: shifts, gradients, compiled programs, dtypes."""

import itertools
import re

import jax
import jax.numpy as jnp
import numpy as np

FORBIDDEN = re.compile(r' (?:scatter|gather|select-and-scatter)\(|feature_group_count=')


def normal(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def filter_that_fits(filter_size, fill, x):
    return min(filter_size, *x.shape[1:3]) if fill == 'circular' else filter_size


def count_failures(pool, x, offsets):
    """(for how many circular shifts of one example the output is not the right roll, of how many).

    `offsets` of the component chosen at shift zero imply which roll that is.
    """
    shifts = list(itertools.product(*map(range, x.shape[:2])))
    rolled = np.stack([np.roll(x, shift, (0, 1)) for shift in shifts])
    outputs = np.asarray(jax.jit(pool)(rolled))
    (row, column), failures = offsets, 0
    for (a, b), y in zip(shifts, outputs, strict=True):
        expected = np.roll(outputs[0], ((row + a) // 2, (column + b) // 2), (0, 1))
        failures += not np.allclose(y, expected, rtol=0, atol=2e-6)
    return failures, len(shifts)


def check_gradient(op, shape):
    """Against central differences of float64, at every third element."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x = jnp.asarray(rng.normal(size=shape))
        g = jnp.asarray(rng.normal(size=jax.eval_shape(op, x).shape))
        loss = jax.jit(lambda x: (op(x) * g).sum())
        gradient = jax.jit(jax.grad(loss))(x)
        assert op(x).dtype == gradient.dtype == jnp.float64
        for position in list(np.ndindex(*shape))[::3]:
            step = np.zeros(shape)
            step[position] = 1e-5
            slope = (loss(x + step) - loss(x - step)) / 2e-5
            np.testing.assert_allclose(gradient[position], slope, atol=1e-7)


def check_compiled(op, shape):
    """No gather, scatter or grouped convolution; under jit and vmap as eager."""
    x = normal(2, *shape)
    gradient = jax.value_and_grad(lambda x: (op(x) ** 2).sum())
    text = jax.jit(gradient).lower(x[0]).compile().as_text()
    assert not FORBIDDEN.findall(str(text))
    together = jax.jit(jax.vmap(gradient))(x)
    for i in range(2):
        value, slope = gradient(x[i])
        np.testing.assert_allclose(together[0][i], value, rtol=1e-5)
        np.testing.assert_allclose(together[1][i], slope, atol=1e-5)


def check_dtype(op, shape, dtype):
    """Kept forward and backward, all finite."""

    def both(x):
        y, pullback = jax.vjp(op, x)
        return y, pullback(y)[0]

    y, dx = jax.jit(both)(normal(*shape).astype(dtype))
    assert y.dtype == dx.dtype == dtype
    assert jnp.isfinite(y).all() and jnp.isfinite(dx).all()
