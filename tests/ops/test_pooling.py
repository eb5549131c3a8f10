"""Max, average, sum pooling and subsampling against float64 loops, at generated sizes."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax import ops
from tests.cases import compiled, generated, pulled_back, window_cases
from tests.oracles import plain as oracles


def elements_oracle(case, reduce):
    return oracles.reduce_elements(case.x.astype(np.float64), case.options, reduce)


@generated(window_cases())
def test_max_pool_is_the_oracle(case):
    y = compiled(ops.max_pool, case.x, **case.options)
    np.testing.assert_array_equal(y, elements_oracle(case, lambda e: e.max(1)).astype(np.float32))


@generated(window_cases())
def test_min_pool_is_the_oracle(case):
    y = compiled(ops.min_pool, case.x, **case.options)
    np.testing.assert_array_equal(y, elements_oracle(case, lambda e: e.min(1)).astype(np.float32))


@generated(window_cases())
def test_sum_pool_is_the_oracle(case):
    y = compiled(ops.sum_pool, case.x, **case.options)
    np.testing.assert_allclose(y, elements_oracle(case, lambda e: e.sum(1)), atol=1e-4)


@generated(window_cases())
def test_avg_pool_is_the_oracle(case):
    y = compiled(ops.avg_pool, case.x, **case.options)
    np.testing.assert_allclose(y, elements_oracle(case, lambda e: e.mean(1)), atol=1e-5)


@generated(window_cases(), st.sampled_from([0.3, 1.0, 5.0]))
def test_gaussian_pool_is_the_oracle(case, sigma):
    y = compiled(ops.gaussian_pool, case.x, sigma=sigma, **case.options)
    x, options = case.x.astype(np.float64), case.options
    centre = [(k - 1) / 2 for k in options['window']]
    weights = np.array(
        [
            math.exp(-sum((i - c) ** 2 for i, c in zip(at, centre, strict=True)) / (2 * sigma**2))
            for at in np.ndindex(*options['window'])
        ]
    )
    expected = np.zeros(y.shape)
    for position, elements, counts in oracles.window_elements(x, options):
        w = np.where(counts, weights, 0)
        expected[(slice(None), *position)] = np.einsum('btc,t->bc', elements, w) / w.sum()
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('window, sigma', [(2, 0.01), (7, 0.11), (64, 0.9)])
def test_a_narrow_gaussian_is_finite_and_keeps_constants(window, sigma):
    y = ops.gaussian_pool(jnp.ones((1, 64, 64, 1)), window=window, padding='same', sigma=sigma)
    np.testing.assert_allclose(y, 1, atol=1e-6)


def test_a_gaussian_whose_tail_vanishes_is_refused(unchecked):
    with pytest.raises(ValueError, match=r'sigma must be at least 0.0267 for a window of 3'):
        ops.gaussian_pool(jnp.ones((1, 4, 4, 1)), window=3, sigma=0.02)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize('window', [3, 7, 49])
def test_a_constant_stays_one_in_half_precision(window, dtype):
    y = ops.avg_pool(jnp.ones((1, 64, 64, 1), dtype), window=window, padding='same')
    assert y.dtype == dtype and (y == 1).all()


@pytest.mark.parametrize('pool', [ops.max_pool, ops.min_pool])
def test_the_gradient_of_a_nan_is_not_lost(pool):
    x = jnp.array([[1, jnp.nan], [2, 0]]).reshape(1, 2, 2, 1)
    for stride in (1, 2):
        dx = jax.grad(lambda x, s=stride: pool(x, window=2, stride=s).sum())(x)
        assert dx.sum() >= 1


def test_a_gaussian_counts_its_tail_alone_where_nothing_else_is_left():
    x = jnp.full((1, 1, 1, 1), 0.5)
    y = ops.gaussian_pool(x, window=(1, 7), stride=1, padding=((0, 0), (0, 6)), sigma=0.3)
    assert y.item() == 0.5


@generated(window_cases(max_rank=2))
def test_first_maximum_takes_the_whole_gradient(case):
    x, window, stride = case.x, case.options['window'], case.options['stride']
    if any(n < k for n, k in zip(x.shape[1:-1], window, strict=True)):
        x = np.asarray(oracles.pad(x, [(0, k) for k in window], 'reflect'), np.float32)

    def pool(x):
        return ops.max_pool(x, window=window, stride=stride)

    g = np.random.default_rng(0).integers(-4, 5, jax.eval_shape(pool, x).shape).astype(np.float32)
    (dx,) = jax.jit(lambda x, g: jax.vjp(pool, x)[1](g))(x, g)
    np.testing.assert_array_equal(dx, oracles.max_pool_gradient(x, g, window, stride))


def test_same_is_centred_whatever_the_size():
    ramp = jnp.arange(8.0).reshape(1, 8, 1)
    y = ops.avg_pool(ramp, window=3, stride=2, padding='same')
    assert y[0, :, 0].tolist() == [0.5, 2.0, 4.0, 6.0]


def test_subsample_takes_every_second():
    x = jnp.arange(30.0).reshape(1, 5, 6, 1)
    np.testing.assert_array_equal(ops.subsample(x, stride=2), x[:, ::2, ::2])


def test_padding_never_wins_over_negative_numbers():
    y = ops.max_pool(-jnp.ones((1, 3, 3, 1)), window=3, stride=1, padding='same')
    assert (y == -1).all()


def test_nan_in_nan_out():
    x = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1, 0].set(jnp.nan)
    for pool in (ops.max_pool, ops.min_pool, ops.avg_pool, ops.sum_pool):
        y = np.asarray(pool(x, window=2))[0, :, :, 0]
        assert np.isnan(y).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize('pool', [ops.max_pool, ops.min_pool, ops.avg_pool, ops.sum_pool])
def test_dtype_is_kept_forward_and_backward(pool, dtype):
    x = jnp.ones((1, 5, 4, 2), dtype)
    op = partial(pool, window=2, stride=1, padding='same')
    y, dx = jax.eval_shape(lambda x: pulled_back(op, x), x)
    assert y.dtype == dx.dtype == dtype


@pytest.mark.parametrize('pool', [ops.max_pool, ops.min_pool, ops.avg_pool, ops.sum_pool])
def test_vmap_is_a_loop(pool):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 5, 5, 2)), jnp.float32)
    gradient = jax.grad(lambda x: (pool(x, window=3, stride=2) ** 2).sum())
    np.testing.assert_allclose(
        jax.vmap(gradient)(x), jnp.stack([gradient(e) for e in x]), atol=1e-6
    )


@pytest.mark.parametrize(
    'options, said',
    [
        ({'window': 0}, 'window must be an int of at least 1; got 0'),
        ({'window': 2, 'stride': 0}, 'stride must be an int of at least 1; got 0'),
        ({'window': 2.0}, 'window must be an int'),
        ({'window': (2, 2, 2)}, '2 ints, one per spatial axis'),
        ({'window': 5}, 'larger than the feature map'),
        ({'window': 2, 'padding': 'SAME'}, "'valid', 'same'"),
        ({'window': 2, 'padding': ((2, 0), (0, 0))}, 'must be smaller than window'),
        ({'window': 2, 'padding': ((0, 0),)}, r'\(low, high\) pair for each of 2'),
    ],
)
def test_bad_arguments_say_what_is_allowed(options, said, unchecked):
    with pytest.raises(ValueError, match=said):
        ops.max_pool(jnp.zeros((1, 4, 4, 1)), **options)


@pytest.mark.parametrize(
    'x', [jnp.zeros((4, 4)), jnp.zeros((1, 4, 4, 1), jnp.int32), jnp.zeros((1, 0, 4, 1)), [1.0]]
)
def test_bad_arrays_are_refused(x, unchecked):
    with pytest.raises(ValueError, match='x must'):
        ops.windows.spatial_rank(x)
