"""Every op under forward and reverse mode, of first and second order."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from cnn_jax import ops
from tests.ops.programs import (
    PROGRAMS,
    arrays_of,
    assert_close,
    every_program,
    loss_of,
    run_compiled,
)


@every_program
def test_derivatives_of_both_modes_and_orders_agree_with_finite_differences(name):
    """float64: jvp, linearize, vjp, three kinds of Hessian-vector products, remat, nesting."""
    function = PROGRAMS[name].function
    with jax.enable_x64(True):
        arrays = arrays_of(name)
        directions = [np.cos(np.arange(a.size)).reshape(a.shape) for a in arrays]
        every = tuple(range(len(arrays)))
        loss = loss_of(function)

        @jax.custom_vjp
        def nested(*arrays):
            return function(*arrays)

        nested.defvjp(lambda *arrays: jax.vjp(function, *arrays), lambda pullback, g: pullback(g))

        def gradient(*arrays):
            return jax.grad(loss, argnums=every)(*arrays)

        def along(*arrays):
            return sum(jnp.vdot(g, v) for g, v in zip(gradient(*arrays), directions, strict=True))

        def first(*arrays):
            return function(*arrays), gradient(*arrays)

        def every_way(*arrays):
            y, tangent = jax.jvp(function, arrays, tuple(directions))
            _, pullback = jax.vjp(function, *arrays)
            return {
                'first': first(*arrays),
                'tangents': [tangent, jax.linearize(function, *arrays)[1](*directions)],
                'products': [
                    jnp.vdot(tangent, y),
                    sum(jnp.vdot(a, b) for a, b in zip(pullback(y), directions, strict=True)),
                ],
                'gradients': [
                    jax.grad(loss_of(jax.checkpoint(function)), argnums=every)(*arrays),
                    jax.grad(loss_of(nested), argnums=every)(*arrays),
                ],
                'hessians': [
                    jax.jvp(gradient, arrays, tuple(directions))[1],
                    jax.grad(along, argnums=every)(*arrays),
                    jax.grad(
                        lambda *arrays: jax.jvp(loss, arrays, tuple(directions))[1], argnums=every
                    )(*arrays),
                ],
            }

        found = run_compiled(every_way, *arrays)
        step = 1e-6
        up, down = (
            run_compiled(first, *(a + s * v for a, v in zip(arrays, directions, strict=True)))
            for s in (step, -step)
        )
        difference, difference_of_gradient = jax.tree.map(lambda u, d: (u - d) / 2 / step, up, down)
        for tangent in found['tangents']:
            assert_close(tangent, difference, 1e-6)
        assert_close(*found['products'])
        for gradients in found['gradients']:
            assert_close(gradients, found['first'][1])
        for product in found['hessians']:
            assert_close(product, difference_of_gradient, 1e-6)


@pytest.mark.parametrize('order', [1, 2])
@pytest.mark.parametrize('name', ['max_pool, apart', 'max_blur_pool', 'blur_pool', 'batch_norm'])
def test_derivatives_pass_jax_s_own_check(name, order):
    with jax.enable_x64(True):

        def function(*arrays):
            return PROGRAMS[name].function(*map(jnp.asarray, arrays))

        check_grads(function, arrays_of(name), order, rtol=1e-4, atol=1e-4)


def test_jacobians_of_both_modes_are_one_matrix():
    with jax.enable_x64(True):
        (x,) = arrays_of('max_blur_pool')
        forward, backward = (
            jax.jit(jacobian(partial(ops.max_blur_pool)))(x[:1])
            for jacobian in (jax.jacfwd, jax.jacrev)
        )
        assert_close(forward, backward)
        hessian = jax.jit(jax.hessian(loss_of(ops.max_blur_pool)))(x[:1]).reshape(x[0].size, -1)
        assert_close(hessian, hessian.T)
        assert np.abs(hessian).max() > 0.1


@pytest.mark.parametrize(
    'pool',
    [
        partial(ops.max_pool, window=2),
        partial(ops.max_pool, window=2, stride=1),
        partial(ops.max_pool, window=3, stride=2, padding='same'),
        partial(ops.min_pool, window=4, stride=1),
        ops.global_max_pool,
        ops.max_blur_pool,
    ],
)
def test_second_derivatives_at_ties_are_those_of_the_first_maximum(pool):
    """The Hessian of the sum of squares of what is linear between kinks is 2 J^T J."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).integers(0, 2, (1, 5, 4, 1)), np.float64)
        hessian = jax.hessian(lambda x: jnp.square(pool(x)).sum())(x).reshape(x.size, x.size)
        jacobian = jax.jacrev(pool)(x).reshape(-1, x.size)
        assert_close(hessian, 2 * jacobian.T @ jacobian)


def test_a_component_of_weight_zero_still_moves_with_its_weight():
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    weights = jnp.array([[1.0, 0.0, 0.0, 0.0]])

    def mixed(x, weights):
        return ops.lps_pool(x, weights).sum()

    by_weight_of_x = jax.jacfwd(jax.grad(mixed), 1)(x, weights).reshape(4, 4)
    by_x_of_weight = jax.jacfwd(jax.grad(mixed, 1), 0)(x, weights).reshape(4, 4)
    np.testing.assert_array_equal(by_weight_of_x, np.eye(4))
    np.testing.assert_array_equal(by_x_of_weight, np.eye(4))


def test_arrays_that_do_not_move_add_nothing(unchecked):
    """Whole numbers have no tangent; an infinity beside a fixed kernel makes no NaN elsewhere."""
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    chosen = jnp.array([[True, False, False, False]])
    _, tangent = jax.jvp(lambda x: ops.lps_pool(x, chosen), (x,), (x,))
    assert tangent.tolist() == [[[[1.0]]]]
    far = x.at[0, 0, 0, 0].set(jnp.inf)
    _, tangent = jax.jvp(lambda x: ops.tips_features(x, jnp.ones((3, 3, 1))), (far,), (x,))
    assert np.isfinite(tangent).all()
