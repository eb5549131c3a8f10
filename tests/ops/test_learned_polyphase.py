"""Learnable polyphase sampling against float64 loops, and under every shift."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.learned_polyphase import (
    lps_components,
    lps_logits,
    lps_pool,
    lps_unpool,
    lps_weights,
)
from cnn_jax.ops.phases import polyphase_components
from cnn_jax.ops.windows import FILLS
from tests.cases import compiled, generated, maps
from tests.ops.polyphase_checks import (
    check_compiled,
    check_dtype,
    check_gradient,
    count_failures,
    filter_that_fits,
    normal,
)
from tests.oracles import polyphase as oracles

STRIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@pytest.mark.parametrize('height, width', [(4, 6), (8, 8), (14, 4), (32, 16)])
@pytest.mark.parametrize('filter_size', [1, 2, 3])
def test_lps_of_every_circular_shift_is_a_roll(height, width, filter_size):
    x = normal(height, width, 2, seed=height)
    kernel, bias, mixing = normal(3, 3, 2, 4), normal(4), normal(3, 3, 4, 4)

    def weights(x):
        parts = lps_components(x, filter_size=filter_size)
        return lps_weights(lps_logits(parts, kernel, bias, mixing), train=False)

    def pool(x):
        return lps_pool(x, weights(x), filter_size=filter_size)

    best = int(weights(x[None])[0].argmax())
    assert count_failures(pool, x, (best // 2, best % 2)) == (0, height * width)


@generated(maps(), STRIDES, st.integers(1, 7), st.sampled_from(FILLS))
def test_lps_is_the_oracle(x, stride, filter_size, fill):
    filter_size = filter_that_fits(filter_size, fill, x)
    options = {'stride': stride, 'filter_size': filter_size, 'padding': fill}
    parts = oracles.lps_components(x.astype(np.float64), stride, filter_size, fill)
    np.testing.assert_allclose(compiled(lps_components, x, **options), parts, atol=1e-5)
    unblurred = oracles.lps_components(x.astype(np.float64), stride, 1, fill)
    np.testing.assert_array_equal(
        compiled(lps_components, x, select_on='input', **options), unblurred.astype(np.float32)
    )
    np.testing.assert_array_equal(polyphase_components(jnp.asarray(x), stride=stride), unblurred)
    weights = oracles.softmax(np.random.default_rng(0).normal(size=parts.shape[:2]), 1)
    y = jax.jit(partial(lps_pool, **options))(x, jnp.asarray(weights, jnp.float32))
    np.testing.assert_allclose(y, oracles.mixed(parts, weights), atol=1e-5)


@generated(maps(channels=3), st.integers(1, 3))
def test_logits_are_two_circular_convolutions_and_a_mean(x, hidden):
    parts = polyphase_components(jnp.asarray(x))
    kernels = (
        normal(3, 3, x.shape[-1], hidden),
        normal(hidden),
        normal(3, 3, hidden, hidden, seed=1),
    )
    expected = oracles.lps_logits(*(np.asarray(a, np.float64) for a in (parts, *kernels)))
    np.testing.assert_allclose(jax.jit(lps_logits)(parts, *kernels), expected, atol=1e-4)


def test_components_are_in_row_major_order():
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)
    assert polyphase_components(x).ravel().tolist() == [0, 1, 2, 3]
    one = jnp.eye(4)[1][None]
    assert lps_pool(x, one).item() == 1
    assert lps_unpool(jnp.ones((1, 1, 1, 1)), one)[0, :, :, 0].tolist() == [[0, 1], [0, 0]]


def test_lps_unpool_is_the_adjoint_of_lps_pool():
    x, y = normal(2, 5, 6, 3), normal(2, 3, 3, 3, seed=1)
    weights = jax.nn.softmax(normal(2, 4))
    back = lps_unpool(y, weights, size=(5, 6))
    np.testing.assert_allclose((lps_pool(x, weights) * y).sum(), (x * back).sum(), rtol=1e-4)


def test_weights_in_test_and_convex():
    logits = jnp.array([[0.0, 3, 3, 1], [-1, -2, -3, -0.5]])
    test = lps_weights(logits, train=False)
    assert test.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1]]
    for train in (True, False):
        weights = lps_weights(logits, train=train, mode='convex', temperature=0.5)
        np.testing.assert_allclose(weights, oracles.softmax(np.asarray(logits) / 0.5, 1), rtol=1e-5)


def test_gumbel_weights_are_nearly_one_hot_with_softmax_odds():
    probabilities = np.array([0.1, 0.2, 0.3, 0.4])
    logits = jnp.tile(jnp.log(jnp.asarray(probabilities, jnp.float32)), (20000, 1))
    draw = partial(lps_weights, logits, train=True)
    cold = np.asarray(draw(temperature=0.01, key=jax.random.key(0)))
    won = np.bincount(cold.argmax(1), minlength=4) / len(cold)
    np.testing.assert_allclose(won, probabilities, atol=5 * np.sqrt(0.25 / len(cold)))
    assert (cold.max(1) > 0.99).mean() > 0.95
    np.testing.assert_allclose(cold.sum(1), 1, atol=1e-5)
    hot = np.asarray(draw(temperature=1e4, key=jax.random.key(0)))
    np.testing.assert_allclose(hot, 0.25, atol=1e-2)
    assert not (draw(key=jax.random.key(1)) == draw(key=jax.random.key(2))).all()
    tiny = draw(temperature=1e-30, key=jax.random.key(0))
    assert set(np.unique(tiny)) == {0.0, 1.0}


def whole(x, filter_size=3, **options):
    """Scored, weighed and mixed."""
    shapes = ((3, 3, 2, 3), (3,), (3, 3, 3, 3))
    kernels = [(0.3 * normal(*shape)).astype(x.dtype) for shape in shapes]
    logits = lps_logits(lps_components(x, filter_size=filter_size), *kernels)
    return lps_pool(x, lps_weights(logits, **options), filter_size=filter_size)


GRADIENTS = {
    'gumbel': partial(whole, train=True, key=jax.random.key(0)),
    'convex': partial(whole, train=False, mode='convex', filter_size=1),
    'test': partial(whole, train=False),
    'unpool': lambda x: lps_unpool(x, jax.nn.softmax(x[:, 0, :4, 0])),
}
SHAPE = (2, 5, 4, 2)


@pytest.mark.parametrize('name', GRADIENTS)
def test_gradient_is_that_of_finite_differences(name):
    check_gradient(GRADIENTS[name], SHAPE)


@pytest.mark.parametrize('name', ['gumbel', 'unpool'])
def test_no_gather_no_scatter_and_jit_vmap_agree_with_eager(name):
    check_compiled(GRADIENTS[name], SHAPE)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize('name', ['gumbel', 'unpool'])
def test_dtype_is_kept_forward_and_backward(name, dtype):
    check_dtype(GRADIENTS[name], SHAPE, dtype)


@pytest.mark.parametrize('position', [(0, 0), (4, 3), (1, 3)])
def test_nan_in_nan_out(position):
    x = normal(1, 5, 4, 2).at[(0, *position, 1)].set(jnp.nan)
    assert jnp.isnan(whole(x, train=False, filter_size=1)).any()
    assert jnp.isnan(whole(x, train=False, mode='convex')).any()


def test_what_is_not_chosen_does_not_matter():
    x, weights = normal(1, 4, 4, 1), jnp.eye(4)[2][None]
    bad = x.at[0, 0, 1].set(jnp.inf)
    np.testing.assert_array_equal(lps_pool(bad, weights), lps_pool(x, weights))


X = jnp.zeros((2, 4, 4, 1))


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: lps_pool(jnp.zeros((2, 4, 1)), jnp.ones((2, 4))), 'lps_pool is 2-D only'),
        (lambda: lps_components(jnp.zeros((2, 4, 1))), 'lps_components is 2-D only'),
        (lambda: lps_pool(X, jnp.ones((2, 3))), r'weights must be \(batch, phases\) = \(2, 4\)'),
        (lambda: lps_unpool(X, jnp.ones((1, 4))), 'weights must be'),
        (lambda: lps_pool(X, jnp.ones((2, 4)), filter_size=5), 'circular padding needs'),
        (lambda: lps_components(X, select_on='both'), 'select_on must be'),
        (lambda: lps_weights(jnp.ones((2, 4)), train=True), 'key must be given'),
        (lambda: lps_weights(jnp.ones((2, 4)), train=False, mode='hard'), 'mode must be'),
        (lambda: lps_weights(jnp.ones((2, 4)), train=False, temperature=0), 'got 0'),
        (lambda: lps_weights(jnp.ones((2, 4)), train=False, temperature=-1.0), 'temperature must'),
    ],
)
def test_bad_arguments_say_what_is_allowed(call, said, unchecked):
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert '\n' not in str(error.value)


def test_odd_maps_are_filled_after_the_blur():
    """Nine ones stay ones under a blur; then zeros fill up the fourth row and column."""
    ones, quarters = jnp.ones((1, 3, 3, 1)), jnp.full((1, 4), 0.25)
    y = lps_pool(ones, quarters, filter_size=3)[0, :, :, 0]
    np.testing.assert_allclose(y, [[1, 0.5], [0.5, 0.25]], atol=1e-6)


@pytest.mark.parametrize('filter_size', [2, 3, 4])
def test_components_of_a_blurred_map_tie_where_no_relu_parts_them(filter_size):
    """Why a circular ResNet-18 with a filter may answer shifts: the last digit chooses."""
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        x, mixing = (jnp.asarray(rng.normal(size=s)) for s in ((5, 4, 4, 3), (3, 3, 6, 6)))
        kernel = jnp.asarray(0.1 * rng.normal(size=(3, 3, 3, 6)))

        def gap(bias, select_on):
            parts = lps_components(x, filter_size=filter_size, select_on=select_on)
            logits = np.sort(lps_logits(parts, kernel, jnp.full(6, bias), mixing))
            return (np.ptp(logits, 1) / np.abs(logits).max(1)).max()

        assert gap(9.0, 'blurred') < 1e-14  # all units are on
        assert gap(0.0, 'blurred') > 1e-4 and gap(9.0, 'input') > 1e-4
