"""Lp and median pooling against float64 loops, and their gradients."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st
from jax.test_util import check_grads

from cnn_jax import ops
from tests.cases import compiled, generated, pulled_back, window_cases
from tests.oracles import plain as oracles


def norm(elements, p, form):
    total = (np.abs(elements) ** p).sum(1)
    return (total / (elements.shape[1] if form == 'mean' else 1)) ** (1 / p)


@generated(window_cases(), st.sampled_from([0.5, 1, 2, 3, 10]), st.sampled_from(['mean', 'sum']))
def test_lp_pool_is_the_oracle(case, p, form):
    y = compiled(ops.lp_pool, case.x, p=p, form=form, **case.options)
    x = case.x.astype(np.float64)
    expected = oracles.reduce_elements(x, case.options, lambda e: norm(e, p, form))
    np.testing.assert_allclose(y, expected, atol=1e-5, rtol=1e-5)


@generated(window_cases())
def test_median_pool_is_the_oracle(case):
    y = compiled(ops.median_pool, case.x, **case.options)
    expected = oracles.reduce_elements(case.x, case.options, lambda e: np.median(e, 1))
    np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize('p', [1.0, 2.0, 3.0])
def test_lp_gradient_is_its_derivative(p):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 5, 5, 2)))
        pool = jax.jit(lambda x: ops.lp_pool(x, window=3, stride=2, p=p))
        check_grads(pool, (x,), 1, modes=['rev'], rtol=1e-5)


@pytest.mark.parametrize('p', [0.5, 1.0, 2.0, 3.0])
@pytest.mark.parametrize('value', [0.0, 1e4, 1e-30])
def test_lp_is_finite_with_its_gradient(p, value):
    x = jnp.full((1, 4, 4, 1), value, jnp.float32)
    y, pullback = jax.vjp(lambda x: ops.lp_pool(x, window=2, p=p), x)
    assert np.allclose(y, value) and np.isfinite(pullback(jnp.ones_like(y))[0]).all()


@pytest.mark.parametrize('window, gradient', [(4, [0, 0.5, 0.5, 0]), (3, [0, 1, 0, 0])])
def test_the_middle_elements_take_the_gradient_of_a_median(window, gradient):
    x = jnp.array([1.0, 5.0, 5.0, 9.0]).reshape(1, 4, 1)
    dx = jax.grad(lambda x: ops.median_pool(x, window=window).sum())(x)
    assert dx.ravel().tolist() == gradient


@pytest.mark.parametrize('pool', [ops.lp_pool, ops.median_pool])
def test_nan_in_nan_out(pool):
    x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1, 0].set(jnp.nan)
    y = np.asarray(pool(x, window=2))[0, :, :, 0]
    assert np.isnan(y).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize('pool', [ops.lp_pool, ops.median_pool])
def test_dtype_is_kept_forward_and_backward(pool, dtype):
    x = jnp.ones((1, 5, 4, 2), dtype)
    y, dx = jax.eval_shape(lambda x: pulled_back(partial(pool, window=2, padding='same'), x), x)
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize(
    'options, said',
    [
        ({'p': 0}, 'p must be a number above 0; got 0'),
        ({'p': float('inf')}, 'p must be a number above 0; got inf'),
        ({'form': 'rms'}, "form must be 'mean' or 'sum'; got 'rms'"),
    ],
)
def test_bad_arguments_say_what_is_allowed(options, said, unchecked):
    with pytest.raises(ValueError, match=said):
        ops.lp_pool(jnp.zeros((1, 4, 4, 1)), window=2, **options)
