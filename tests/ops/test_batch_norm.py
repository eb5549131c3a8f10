"""batch_norm against float64 NumPy, its derivative against finite differences and Flax's."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_jax import ops
from cnn_jax.layers import BatchNorm

EPSILON = 1e-3


def by_definition(x, scale, bias):
    """The normalised map, mean and variance of each channel, one channel after the other."""
    y, means, variances = np.empty_like(x), [], []
    for c in range(x.shape[-1]):
        values = x[..., c]
        means.append(sum(values.flat) / values.size)
        variances.append(sum((v - means[-1]) ** 2 for v in values.flat) / values.size)
        y[..., c] = scale[c] * (values - means[-1]) / np.sqrt(variances[-1] + EPSILON) + bias[c]
    return y, np.array(means), np.array(variances)


@st.composite
def norm_cases(draw):
    shape = draw(st.integers(1, 3)), *draw(st.lists(st.integers(1, 4), max_size=3))
    channels = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(draw(st.sampled_from([0, 2])), 1, (*shape, channels))
    return x, rng.normal(size=channels), rng.normal(size=channels), rng


@settings(max_examples=40, deadline=None)
@given(norm_cases())
def test_values_and_derivatives_of_all_three_outputs(case):
    *arguments, rng = case
    expected = by_definition(*arguments)
    weights = [rng.normal(size=np.shape(part)) for part in expected]

    def total(outputs):
        return sum((w * part).sum() for w, part in zip(weights, outputs, strict=True))

    @jax.jit
    def ours(*arguments):
        def weighed(*arguments):
            outputs = ops.batch_norm(*arguments, epsilon=EPSILON)
            return total(outputs), outputs

        return jax.grad(weighed, argnums=(0, 1, 2), has_aux=True)(*arguments)

    gradients, outputs = ours(*(jnp.asarray(a, jnp.float32) for a in arguments))
    for part, right in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(part, right, rtol=1e-4, atol=1e-4)
    step = 1e-6
    for number, gradient in enumerate(gradients):
        for place in np.ndindex(gradient.shape):
            moved = []
            for sign in (1, -1):
                shifted = [a.copy() for a in arguments]
                shifted[number][place] += sign * step
                moved.append(total(by_definition(*shifted)))
            right = (moved[0] - moved[1]) / (2 * step)
            spread = max(1, float(np.abs(gradient).max()))
            np.testing.assert_allclose(gradient[place], right, rtol=1e-2, atol=2e-3 * spread)


@pytest.mark.parametrize('epsilon', [1e-5, 0.1])
@pytest.mark.parametrize('train', [True, False])
@pytest.mark.parametrize('dtype', [jnp.float32, jnp.bfloat16])
def test_the_layer_is_flaxs(train, dtype, epsilon):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(1, 3, (8, 6, 6, 5)), dtype)
    variables = {
        'params': {'scale': rng.normal(size=5), 'bias': rng.normal(size=5)},
        'batch_stats': {'mean': rng.normal(size=5), 'var': rng.uniform(1, 2, 5)},
    }
    variables = jax.tree.map(lambda v: jnp.asarray(v, jnp.float32), variables)

    def outcome(layer):
        def loss(params, x):
            given = {**variables, 'params': params}
            y, changed = layer.apply(given, x, mutable=['batch_stats'])
            return (y.astype(jnp.float32) ** 3).mean(), (y, changed)

        return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(variables['params'], x)

    layers = (
        BatchNorm(use_running_average=not train, epsilon=epsilon),
        nn.BatchNorm(use_running_average=not train, momentum=0.9, dtype=dtype, epsilon=epsilon),
    )
    ours, theirs = (outcome(layer) for layer in layers)
    chex.assert_trees_all_equal(*(layer.init(jax.random.key(0), x) for layer in layers))
    tolerance = 1e-4 if dtype == jnp.float32 else 4e-2
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(
            np.float32(mine), np.float32(other), rtol=tolerance, atol=tolerance
        )


def test_channels_that_are_constant_stay_finite():
    values = np.random.default_rng(0).normal(0, 1000, 100)  # their rounded variances fall below 0
    x = jnp.broadcast_to(jnp.asarray(values, jnp.float32), (7, 3, 3, 100))
    one, zero = jnp.ones(100), jnp.zeros(100)
    y, _, variance = ops.batch_norm(x, one, zero)
    gradient = jax.grad(lambda x: (ops.batch_norm(x, one, zero)[0] ** 2).sum())(x)
    assert (variance >= 0).all() and jnp.isfinite(y).all() and jnp.isfinite(gradient).all()


@pytest.mark.parametrize('shape', [(4,), (2, 0, 3, 2), (2, 3, 3, 5)])
def test_shapes_that_do_not_match_are_refused(shape, unchecked):
    with pytest.raises(ValueError, match='scale and bias'):
        ops.batch_norm(jnp.ones(shape), jnp.ones(2), jnp.zeros(2))


def test_integers_are_refused(unchecked):
    with pytest.raises(ValueError, match='floating'):
        ops.batch_norm(jnp.ones((2, 2), jnp.int32), jnp.ones(2), jnp.zeros(2))
