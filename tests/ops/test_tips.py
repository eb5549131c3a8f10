"""Translation invariant polyphase sampling against float64 loops."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.pooling import avg_pool
from cnn_jax.ops.tips import (
    tips_features,
    tips_fill_up,
    tips_mixing_loss,
    tips_pool,
    tips_undo_loss,
    tips_weights,
)
from tests.cases import generated, maps
from tests.ops.polyphase_checks import check_compiled, check_dtype, check_gradient, normal
from tests.oracles import polyphase as oracles

SHAPE = (2, 5, 4, 2)


@generated(maps(), st.tuples(st.integers(1, 4), st.integers(1, 4)))
def test_tips_is_the_oracle(x, stride):
    channels = x.shape[-1]
    kernel, scale = normal(3, 3, channels), normal(channels, seed=1)
    exact = [np.asarray(a, np.float64) for a in (x, kernel, scale)]
    y, weights, features = oracles.tips(exact[0], exact[1], exact[2], stride)

    def all_of_it(x):
        psi = tips_features(x, kernel, stride=stride)
        tau = tips_weights(psi, scale, stride=stride)
        return tips_pool(x, kernel, scale, stride=stride), tau, psi

    ours = jax.jit(all_of_it)(x)
    np.testing.assert_allclose(ours[2], features, atol=1e-5)
    np.testing.assert_allclose(ours[1], weights, atol=1e-5)
    np.testing.assert_allclose(ours[0], y, atol=1e-5)


def test_without_scale_it_averages():
    x = normal(2, 6, 4, 3)
    y = tips_pool(x, normal(3, 3, 3), jnp.zeros(3))
    np.testing.assert_allclose(y, avg_pool(x, window=2), atol=1e-6)


def pooled(x, stride=2):
    kernel, scale = normal(3, 3, 2).astype(x.dtype), normal(2, seed=1).astype(x.dtype)
    return tips_pool(x, kernel, scale, stride=stride)


def of_parameters(values):
    """TIPS as a function of its kernel and scale."""
    x = normal(2, 5, 4, 2).astype(values.dtype)
    return tips_pool(x, values[:18].reshape(3, 3, 2), values[18:])


def of_losses(x):
    kernel, scale = normal(3, 3, 2).astype(x.dtype), normal(2, seed=1).astype(x.dtype)
    psi = tips_features(x, kernel)
    fixed = jnp.ones_like(psi)
    undo = tips_undo_loss(psi, fixed, jax.random.key(0))
    return jnp.stack([tips_mixing_loss(tips_weights(psi, scale)), undo])


@pytest.mark.parametrize(
    'op, shape',
    [(pooled, SHAPE), (partial(pooled, stride=3), SHAPE), (of_parameters, (20,))]
    + [(of_losses, SHAPE)],
)
def test_gradient_is_that_of_finite_differences(op, shape):
    check_gradient(op, shape)


def test_no_gather_no_scatter_and_jit_vmap_agree_with_eager():
    check_compiled(pooled, SHAPE)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_kept_forward_and_backward(dtype):
    check_dtype(pooled, SHAPE, dtype)


def test_nan_in_nan_out():
    assert jnp.isnan(pooled(normal(*SHAPE).at[0, 2, 1, 0].set(jnp.nan))).any()


def test_mixing_loss_is_zero_for_one_hot_and_most_for_uniform():
    one_hot = jnp.eye(4)[:, :, None]
    assert tips_mixing_loss(one_hot) == 0
    assert tips_mixing_loss(jnp.full((1, 4, 2), 0.25)) == 0.5


def test_undo_loss_is_the_square_of_one_of_the_near_rolls():
    x, psi = normal(2, 8, 4, 1), normal(2, 8, 4, 1, seed=1)
    rolls = [jnp.roll(x, (a - 2, b - 1), (1, 2)) for a, b in np.ndindex(5, 3)]
    expected = np.array([np.square(psi - moved).mean() for moved in rolls])
    keys = jax.random.split(jax.random.key(0), 200)
    losses = jax.vmap(lambda key: tips_undo_loss(psi, x, key))(keys)
    distance = np.abs(np.asarray(losses)[:, None] - expected)
    assert distance.min(1).max() < 1e-5
    assert set(distance.argmin(1)) == set(range(15))
    assert not jax.grad(lambda x: tips_undo_loss(psi, x, keys[0]))(x).any()


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: tips_fill_up(jnp.zeros((1, 4, 1))), 'tips_fill_up is 2-D only'),
        (lambda: tips_pool(jnp.zeros((1, 4, 1)), 0, 0), 'tips_features is 2-D only'),
        (
            lambda: tips_pool(jnp.zeros((1, 4, 4, 1)), jnp.zeros((3, 3, 2)), jnp.zeros(1)),
            r'kernel must be \(3, 3, 1\)',
        ),
        (
            lambda: tips_pool(jnp.zeros((1, 4, 4, 2)), jnp.zeros((3, 3, 2)), jnp.zeros(3)),
            r'scale must be \(2,\)',
        ),
        (
            lambda: tips_weights(jnp.zeros((1, 5, 4, 2)), jnp.zeros(2)),
            'features must have sizes that are multiples',
        ),
        (
            lambda: tips_undo_loss(jnp.zeros((1, 6, 4, 2)), jnp.zeros((1, 5, 4, 2)), 0),
            'features and x must have one shape',
        ),
    ],
)
def test_bad_arguments_say_what_is_allowed(call, said, unchecked):
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert '\n' not in str(error.value)
