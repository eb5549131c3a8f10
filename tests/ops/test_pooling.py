"""Max, average, sum pooling and subsampling against float64 loops, at generated sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnn_jax import ops
from tests import oracles

CASES = 50


def compiled(op, x, **options):
    """`op` under jit: one compilation a case instead of one a primitive."""
    return jax.jit(lambda x: op(x, **options))(x)


@st.composite
def pool_cases(draw, max_rank=3):
    """x, window, stride and padding that fit together."""
    rank = draw(st.integers(1, max_rank))
    limit = {1: 17, 2: 11, 3: 5}[rank]
    window = tuple(draw(st.integers(1, min(7, limit))) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    pairs = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in window)
    size = tuple(
        draw(st.integers(max(1, k - low - high), limit))
        for k, (low, high) in zip(window, pairs, strict=True)
    )
    shape = (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3)))
    seed = draw(st.integers(0, 2**32 - 1))
    levels = draw(st.sampled_from([3, 1000]))  # few levels: many ties
    x = np.random.default_rng(seed).integers(-levels, levels, shape) / levels
    return x.astype(np.float32), window, stride, pairs


@settings(max_examples=CASES, deadline=None)
@given(pool_cases())
def test_max_pool_is_the_oracle(case):
    x, window, stride, pairs = case
    y = compiled(ops.max_pool, x, window=window, stride=stride, padding=pairs)
    np.testing.assert_array_equal(y, oracles.max_pool(x, window, stride, pairs).astype(np.float32))


@settings(max_examples=CASES, deadline=None)
@given(pool_cases())
def test_sum_pool_is_the_oracle(case):
    x, window, stride, pairs = case
    y = compiled(ops.sum_pool, x, window=window, stride=stride, padding=pairs)
    expected = oracles.sum_pool(x.astype(np.float64), window, stride, pairs)
    np.testing.assert_allclose(y, expected, atol=1e-4)


@settings(max_examples=CASES, deadline=None)
@given(pool_cases(), st.booleans())
def test_avg_pool_is_the_oracle(case, count_padding):
    x, window, stride, pairs = case
    inside = oracles.sum_pool(np.ones_like(x), window, stride, pairs)
    options = {'window': window, 'stride': stride, 'padding': pairs}
    if not count_padding and (inside == 0).any():
        with pytest.raises(ValueError, match='no element inside'):
            ops.avg_pool(jnp.asarray(x), **options)
        return
    y = compiled(ops.avg_pool, x, count_padding=count_padding, **options)
    expected = oracles.avg_pool(x.astype(np.float64), window, stride, pairs, count_padding)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@settings(max_examples=CASES, deadline=None)
@given(pool_cases(max_rank=2))
def test_first_maximum_takes_the_whole_gradient(case):
    x, window, stride, pairs = case
    x = np.asarray(oracles.pad(x, pairs, 'zero'), np.float32)

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
    for pool in (ops.max_pool, ops.avg_pool, ops.sum_pool):
        y = np.asarray(pool(x, window=2))[0, :, :, 0]
        assert np.isnan(y).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize('pool', [ops.max_pool, ops.avg_pool, ops.sum_pool])
def test_dtype_is_kept_forward_and_backward(pool, dtype):
    x = jnp.ones((1, 5, 4, 2), dtype)
    y, pullback = jax.vjp(lambda x: pool(x, window=2, stride=1, padding='same'), x)
    assert y.dtype == dtype and pullback(y)[0].dtype == dtype


@pytest.mark.parametrize('pool', [ops.max_pool, ops.avg_pool, ops.sum_pool])
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


@pytest.mark.parametrize('x', [jnp.zeros((4, 4)), jnp.zeros((1, 4, 4, 1), jnp.int32)])
def test_bad_arrays_are_refused(x):
    with pytest.raises(ValueError, match='x must'):
        ops.windows.spatial_rank(x)
