"""Value-weighted pooling against float64 loops and known answers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.importance import ada_pool, detail_preserving_pool, lip_logits, lip_pool
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.ranked import ordinal_pool, rank_average_pool, rank_pool
from cnn_jax.ops.weighted import gem_pool, lse_pool, soft_pool, stochastic_pool
from tests.cases import WindowCase, compiled, generated, maps, window_cases
from tests.oracles import weighted as oracles

SQUARE = jnp.arange(4.0).reshape(1, 2, 2, 1)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def on_planes(case: WindowCase) -> WindowCase:
    """A one-axis case as a map of height 1, for the ops that are 2-D only."""
    if case.x.ndim == 4:
        return case
    padding = case.options['padding']
    options = case.options | {
        'window': (1, *case.options['window']),
        'stride': (1, *case.options['stride']),
        'padding': padding if isinstance(padding, str) else ((0, 0), *padding),
    }
    return WindowCase(case.x[:, None], options)


plane_cases = window_cases(max_rank=2, max_window=4).map(on_planes)
some_cases = window_cases(max_window=5)
numbers = st.lists(st.sampled_from([0.25, 1.0, 2.5, 7.0]), min_size=3, max_size=3).map(np.array)


@generated(some_cases)
def test_soft_pool_is_the_oracle(case):
    y = compiled(soft_pool, case.x, **case.options)
    np.testing.assert_allclose(y, oracles.soft_pool(case.x.astype(float), case.options), atol=1e-5)


@generated(some_cases, numbers)
def test_lse_pool_is_the_oracle(case, r):
    r = r[: case.x.shape[-1]]
    y = compiled(lse_pool, case.x, r=jnp.asarray(r, jnp.float32), **case.options)
    expected = oracles.lse_pool(case.x.astype(float), case.options, r)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(some_cases, numbers, st.sampled_from([1e-6, 0.3]))
def test_gem_pool_is_the_oracle(case, p, eps):
    p = p[: case.x.shape[-1]]
    y = compiled(gem_pool, case.x, p=jnp.asarray(p, jnp.float32), eps=eps, **case.options)
    expected = oracles.gem_pool(case.x.astype(float), case.options, p, eps)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(some_cases)
def test_stochastic_pool_is_the_oracle(case):
    key = jax.random.key(3)
    y = compiled(stochastic_pool, case.x, train=False, **case.options)
    expected = oracles.stochastic_pool_expected(case.x.astype(float), case.options)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    drawn = compiled(stochastic_pool, case.x, train=True, key=key, **case.options)
    uniform = np.asarray(jax.random.uniform(key, y.shape))
    expected = oracles.stochastic_pool_drawn(case.x.astype(float), case.options, uniform)
    np.testing.assert_array_equal(drawn, expected.astype(np.float32))


@generated(plane_cases, st.integers(0, 99), st.booleans())
def test_lip_pool_is_the_oracle(case, seed, shared):
    logits = 3 * normal(seed, *case.x.shape[:-1], 1 if shared else case.x.shape[-1])
    y = jax.jit(lambda x, logits: lip_pool(x, logits, **case.options))(case.x, logits)
    expected = oracles.lip_pool(case.x.astype(float), logits.astype(float), case.options)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(maps(most=6), st.integers(0, 99))
def test_lip_logits_are_the_oracle(x, seed):
    c = x.shape[-1]
    kernel, scale, bias = normal(seed, 3, 3, c, c), normal(seed + 1, c), normal(seed + 2, c)
    logits = jax.jit(lip_logits)(x, kernel, scale, bias)
    expected = oracles.lip_logits(*(a.astype(float) for a in (x, kernel, scale, bias)))
    np.testing.assert_allclose(logits, expected, atol=2e-4)


@generated(
    maps(most=7),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    numbers,
    numbers,
    st.booleans(),
    st.sampled_from([None, (3, 3), (2, 5)]),
)
def test_detail_preserving_pool_is_the_oracle(x, stride, power, bias, symmetric, kernel):
    power, bias = power[: x.shape[-1]], bias[: x.shape[-1]]
    if kernel is not None:
        kernel = normal(0, *kernel, x.shape[-1])
    y = compiled(
        detail_preserving_pool,
        x,
        stride=stride,
        power=jnp.asarray(power, jnp.float32),
        bias=jnp.asarray(bias, jnp.float32),
        symmetric=symmetric,
        kernel=None if kernel is None else jnp.asarray(kernel),
    )
    expected = oracles.detail_preserving_pool(
        x.astype(float), stride, power, bias, symmetric, kernel
    )
    np.testing.assert_allclose(y, expected, atol=2e-5)


@generated(plane_cases, st.integers(0, 99), st.booleans())
def test_ada_pool_is_the_oracle(case, seed, per_location):
    out = jax.eval_shape(lambda x: max_pool(x, **case.options), case.x).shape[1:3]
    beta = np.random.default_rng(seed).uniform(size=out if per_location else ())
    y = compiled(ada_pool, case.x, beta=jnp.asarray(beta, jnp.float32), **case.options)
    expected = oracles.ada_pool(case.x.astype(float), case.options, np.broadcast_to(beta, out))
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(plane_cases, st.integers(0, 99), st.booleans())
def test_ordinal_pool_is_the_oracle(case, seed, shared):
    taps, channels = int(np.prod(case.options['window'])), case.x.shape[-1]
    weights = np.random.default_rng(seed).uniform(0.1, 1, (taps, channels))
    weights = weights[:, :1].repeat(channels, 1) if shared else weights
    given = jnp.asarray(weights[:, 0] if shared else weights, jnp.float32)
    y = jax.jit(lambda x: ordinal_pool(x, given, **case.options))(case.x)
    expected = oracles.ordinal_pool(case.x.astype(float), case.options, weights)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(plane_cases, st.sampled_from([0.1, 0.5, 1.0]), st.booleans())
def test_rank_pool_is_the_oracle(case, alpha, normalise):
    taps = int(np.prod(case.options['window']))
    weights = np.array([[alpha * (1 - alpha) ** r] * case.x.shape[-1] for r in range(taps)])
    y = compiled(rank_pool, case.x, alpha=alpha, normalise=normalise, **case.options)
    expected = oracles.ordinal_pool(
        case.x.astype(float), case.options, weights, normalise=normalise
    )
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(plane_cases, st.integers(1, 16))
def test_rank_average_pool_is_the_oracle(case, top):
    taps = int(np.prod(case.options['window']))
    top = min(top, taps)
    weights = np.repeat((np.arange(taps) < top)[:, None] * 1.0, case.x.shape[-1], 1)
    y = compiled(rank_average_pool, case.x, top=top, **case.options)
    expected = oracles.ordinal_pool(case.x.astype(float), case.options, weights)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize(
    'pool, expected',
    [
        (lambda x: soft_pool(x, window=2), 2.492653),
        (lambda x: gem_pool(x, window=2, p=3), 2.08008),
        (lambda x: gem_pool(x, window=2, p=2), 1.87083),
        (lambda x: gem_pool(x, window=2, p=1), 1.5),
        (lambda x: stochastic_pool(x, window=2, train=False), 14 / 6),
        (lambda x: lip_pool(x, 0 * x, window=2, padding='valid'), 1.5),
        (lambda x: lip_pool(x, 20 * x, window=2, padding='valid'), 3.0),
        (lambda x: lse_pool(x, window=2, r=1), np.log((1 + np.e + np.e**2 + np.e**3) / 4)),
        (lambda x: detail_preserving_pool(x, power=0), 1.5),
        (lambda x: rank_pool(x, window=2, alpha=0.5), 1.5 + 0.5 + 0.125),
        (lambda x: rank_pool(x, window=2, alpha=0.5, normalise=True), 2.125 / 0.9375),
        (lambda x: rank_average_pool(x, window=2, top=3), 2.0),
    ],
)
def test_known_answers(pool, expected):
    assert pool(SQUARE)[0, 0, 0, 0] == pytest.approx(expected, abs=2e-5)


def test_extremes_are_max_and_average_pooling():
    x = jnp.asarray(normal(0, 2, 7, 6, 3))
    first, equal = jnp.array([1.0, 0, 0, 0]), jnp.ones(4) / 4
    for y in (
        ordinal_pool(x, first, window=2),
        rank_pool(x, window=2, alpha=1),
        rank_average_pool(x, window=2, top=1),
        lse_pool(x, window=2, r=1e6),
    ):
        np.testing.assert_allclose(y, max_pool(x, window=2), atol=1e-5)
    for y in (
        ordinal_pool(x, equal, window=2),
        rank_average_pool(x, window=2, top=4),
        rank_pool(x, window=2, alpha=1e-6, normalise=True),
        lse_pool(x, window=2, r=1e-2),
    ):
        np.testing.assert_allclose(y, avg_pool(x, window=2), atol=2e-2)


@pytest.mark.parametrize('scale', [1e-15, 1e-9, 1e9, 1e15])
def test_likeness_does_not_depend_on_the_scale(scale):
    x = jnp.asarray(normal(0, 2, 6, 4, 3))
    y = ada_pool(scale * x, window=2, beta=1) / scale
    np.testing.assert_allclose(y, ada_pool(x, window=2, beta=1), rtol=1e-5, atol=1e-6)


def test_draws_have_the_stated_probabilities():
    x = jnp.broadcast_to(jnp.array([1.0, -5.0, 3.0, 0.0]).reshape(1, 2, 2, 1), (20000, 2, 2, 2))
    y = stochastic_pool(x.astype(jnp.bfloat16), window=2, train=True, key=jax.random.key(0))
    y = np.asarray(y, float)[:, 0, 0]
    assert set(np.unique(y)) == {1.0, 3.0}
    np.testing.assert_allclose((y == 3).mean(0), 0.75, atol=0.015)
    assert abs(np.corrcoef(y.T)[0, 1]) < 0.03


def test_the_drawn_element_takes_the_whole_gradient():
    x = jnp.asarray(np.abs(normal(0, 2, 6, 4, 3)) + 0.1)
    y, pullback = jax.vjp(
        lambda x: stochastic_pool(x, window=2, train=True, key=jax.random.key(0)), x
    )
    g = jnp.asarray(normal(1, *y.shape))
    (dx,) = pullback(g)
    taps = np.asarray(x).reshape(2, 3, 2, 2, 2, 3)
    expected = np.where(taps == np.asarray(y)[:, :, None, :, None], g[:, :, None, :, None], 0)
    np.testing.assert_array_equal(dx, expected.reshape(x.shape))


@pytest.mark.parametrize(
    'pool, said',
    [
        (lambda x: lse_pool(x, window=2, r=0), 'r must be a finite number above 0; got 0'),
        (lambda x: gem_pool(x, window=2, p=-1.0), r'p must be a finite number above 0; got -1\.0'),
        (lambda x: gem_pool(x, window=2, p=jnp.ones(3)), r'one per channel, of shape \(2,\)'),
        (lambda x: gem_pool(x, window=2, eps=0.0), 'eps must be a finite number above 0'),
        (lambda x: stochastic_pool(x, window=2, train=True), 'needs a random key.*key=None'),
        (lambda x: lip_pool(x, x[:, 1:]), r'logits must have the shape of x'),
        (lambda x: detail_preserving_pool(x, power=-1), 'power must be .* of at least 0; got -1'),
        (lambda x: detail_preserving_pool(x, stride=0), 'stride must be an int of at least 1'),
        (lambda x: detail_preserving_pool(x, kernel=jnp.ones((3, 3, 1))), 'one filter per channel'),
        (lambda x: ada_pool(x, window=2, beta=1.5), r'beta must be from 0 to 1; got 1\.5'),
        (lambda x: ada_pool(x, window=2, beta=jnp.ones(2)), r'of shape \(2, 2\); got shape \(2,\)'),
        (lambda x: ordinal_pool(x, jnp.ones(3), window=2), r'\(4,\) or \(4, 2\); got \(3,\)'),
        (lambda x: rank_pool(x, window=2, alpha=0), 'alpha must be a number above 0, up to 1'),
        (lambda x: rank_average_pool(x, window=2, top=5), 'top must be an int from 1 to 4'),
        (lambda x: soft_pool(x, window=5), 'larger than the feature map'),
        (lambda x: soft_pool(x, window=2, padding='same', fill='edge'), 'fill must be one of'),
        (lambda x: ada_pool(x[0], window=2), 'ada_pool is 2-D only'),
        (lambda x: rank_pool(x[0], window=2), 'rank_pool is 2-D only'),
        (lambda x: lip_pool(x[0], x[0]), 'lip_pool is 2-D only'),
        (lambda x: detail_preserving_pool(x[0]), 'detail_preserving_pool is 2-D only'),
        (lambda x: soft_pool(x[0, 0], window=2), 'x must be .* of rank 3 or more'),
        (lambda x: gem_pool(x.astype(int), window=2), 'x must hold floats'),
    ],
)
def test_bad_input_says_what_is_allowed(pool, said, unchecked):
    with pytest.raises(ValueError, match=said) as raised:
        pool(jnp.ones((1, 4, 4, 2)))
    assert '\n' not in str(raised.value)


def test_the_gradient_of_soft_pool_with_and_without_that_of_its_weights():
    """w = .032 .087 .237 .644 for 0 1 2 3; the derivative of the mean y is w (1 + x - y)."""
    x = jnp.arange(4.0).reshape(1, 2, 2, 1)

    def gradient(weight_gradient):
        pool = lambda x: soft_pool(x, window=2, weight_gradient=weight_gradient).sum()  # noqa: E731
        return jax.grad(pool)(x).ravel()

    w = np.exp([0, 1, 2, 3]) / np.exp([0, 1, 2, 3]).sum()
    np.testing.assert_allclose(gradient(False), w, atol=1e-6)
    np.testing.assert_allclose(w, [0.032, 0.087, 0.237, 0.644], atol=5e-4)
    np.testing.assert_allclose(gradient(True), [-0.048, -0.043, 0.120, 0.971], atol=5e-4)


def test_likeness_of_vectors_and_of_channels(unchecked):
    """Two elements (1, 0) and (1, 2): m = (1, 1), so s = 2/3, 6/7, and by channel 1 1, 0 4/5."""
    x = jnp.array([[1.0, 0.0], [1.0, 2.0]]).reshape(1, 1, 2, 2)

    def pool(likeness):
        return ada_pool(x, window=(1, 2), beta=1.0, likeness=likeness)[0, 0, 0]

    vector = np.exp(6 / 7) / (np.exp(6 / 7) + np.exp(2 / 3))
    channel = np.exp(4 / 5) / (np.exp(4 / 5) + 1)
    np.testing.assert_allclose(pool('vector'), [1, 2 * vector], rtol=1e-5)
    np.testing.assert_allclose(pool('channel'), [1, 2 * channel], rtol=1e-5)
    with pytest.raises(ValueError, match="likeness must be 'vector' or 'channel'; got 'dice'"):
        ada_pool(x, window=(1, 2), likeness='dice')


@pytest.mark.parametrize('symmetric', [True, False])
@pytest.mark.parametrize('full', [True, False])
def test_detail_preserving_pool_holds_large_values(symmetric, full):
    """q is d^2 beside 1e-3, so the pool of c x is c times that of x once d is large."""
    x = jnp.asarray(normal(3, 1, 6, 6, 2), jnp.float32)
    kernel = jnp.full((3, 3, 2), 1 / 9) if full else None

    def pool(x):
        return detail_preserving_pool(x, power=1.5, symmetric=symmetric, kernel=kernel)

    expected = pool(x * 1e6) / 1e6
    for scale in (1e10, 1e19, 1e30, 1e36):
        np.testing.assert_allclose(pool(x * scale) / scale, expected, rtol=2e-4, atol=1e-5)
    for scale in (1e10, 1e19, 1e26):
        gradient = jax.grad(lambda x: pool(x).sum())(x * scale)
        np.testing.assert_allclose(
            gradient, jax.grad(lambda x: pool(x).sum())(x * 1e6), rtol=2e-3, atol=2e-3
        )
