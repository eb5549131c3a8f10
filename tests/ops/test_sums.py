"""Sums over positions and the addition of a bias, against float64 NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cnn_jax.ops.sums import add_bias, channel_sums, folded_channel_sums

SHAPES = [
    (128, 28, 28, 16),
    (128, 7, 7, 10),
    (6, 5, 3, 7),
    (1, 1, 1, 3),
    (13, 600),
    (3, 2048),
    (7, 1),
    (2, 3, 5, 7, 2),
    (0, 4, 4, 3),
]


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('sums', [channel_sums, folded_channel_sums])
def test_sums_over_all_axes_but_the_last(sums, shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = x.astype(np.float64).sum(tuple(range(x.ndim - 1)))
    scale = max(1.0, float(np.abs(x).sum()) / x.shape[-1])
    np.testing.assert_allclose(jax.jit(sums)(x), expected, atol=1e-6 * scale)


@pytest.mark.parametrize('shape', SHAPES)
def test_a_bias_and_its_gradient(shape):
    rng = np.random.default_rng(0)
    x, g = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    bias = rng.normal(size=shape[-1:]).astype(np.float32)
    y, pullback = jax.vjp(jax.jit(add_bias), x, bias)
    np.testing.assert_array_equal(y, x + bias)
    dx, dbias = pullback(g)
    np.testing.assert_array_equal(dx, g)
    scale = max(1.0, float(np.abs(g).sum()) / shape[-1])
    expected = g.astype(np.float64).sum(tuple(range(g.ndim - 1)))
    np.testing.assert_allclose(dbias, expected, atol=1e-6 * scale)


def test_derivatives_of_a_bias_of_both_modes_and_orders():
    with jax.enable_x64(True):
        x, bias = np.linspace(-1, 1, 24).reshape(4, 2, 3), np.linspace(0, 1, 3)
        check_grads(lambda x, b: jnp.sin(add_bias(jnp.asarray(x), jnp.asarray(b))), (x, bias), 2)


def test_narrow_maps_keep_their_type():
    y = add_bias(jnp.ones((2, 3), jnp.bfloat16), jnp.ones(3))
    assert y.dtype == jnp.bfloat16
