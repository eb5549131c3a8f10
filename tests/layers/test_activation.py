"""The learned activation of alias-free networks."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.layers import PolynomialActivation
from cnn_jax.ops.lowpass import polynomial_activation


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def test_the_activation_starts_at_the_authors_parabola():
    x = 0.1 * normal(2, 5, 6, 3)
    y, variables = PolynomialActivation().init_with_output(jax.random.key(0), x)
    parameters = variables['params']
    start = np.tile(np.float32([[0.01694], [0.5], [0.30784]]), 3)
    np.testing.assert_array_equal(parameters['coefficients'], start)
    assert parameters['in_scale'] == 7.0 and parameters['out_scale'] == 7.0
    assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(variables))
    np.testing.assert_array_equal(
        y, polynomial_activation(x, jnp.asarray(start), in_scale=7.0, out_scale=7.0)
    )


def test_the_authors_parabola_is_near_gelu():
    x = jnp.linspace(-2, 2, 401)
    y = 0.01694 + 0.5 * x + 0.30784 * x**2
    assert jnp.abs(y - jax.nn.gelu(x, approximate=False)).max() < 0.35


def test_the_activation_uses_all_its_parameters_and_any_degree():
    module = PolynomialActivation((0.1, 0.2, 0.3, 0.4), in_scale=1.5, out_scale=0.5, factor=3)
    x = normal(2, 5, 6, 3)
    y, variables = module.init_with_output(jax.random.key(0), x)
    coefficients = jnp.tile(jnp.array([[0.1], [0.2], [0.3], [0.4]]), 3)
    np.testing.assert_allclose(
        y,
        polynomial_activation(x, coefficients, in_scale=1.5, out_scale=0.5, factor=3),
        rtol=1e-6,
    )
    gradient = jax.grad(lambda v: jnp.sum(jnp.square(module.apply(v, x))))(variables)
    assert all((jnp.abs(g) > 1e-3).all() for g in jax.tree.leaves(gradient))


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_parameters_stay_float32_and_the_map_its_dtype(dtype):
    x = jnp.ones((1, 4, 4, 2), dtype)
    y, variables = PolynomialActivation().init_with_output(jax.random.key(0), x)
    assert y.dtype == dtype
    assert all(p.dtype == jnp.float32 for p in jax.tree.leaves(variables))
