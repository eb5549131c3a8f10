"""Mixed, gated and tree pooling against float64 loops, at generated sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.combined import gated_pool, mixed_pool, tree_pool
from cnn_jax.ops.pooling import avg_pool, max_pool
from cnn_jax.ops.windows import place_windows
from tests.cases import generated, pulled_back, window_cases
from tests.oracles import combined as oracles

CASES = window_cases(max_window=4)
SHARES = st.sampled_from(['layer', 'channel', 'region', 'region_channel', 'row'])


def shared_shape(case, share):
    *_, out = place_windows(jnp.asarray(case.x), **case.options)
    channels = case.x.shape[-1]
    return {
        'layer': (),
        'channel': (channels,),
        'region': (*out, 1),
        'region_channel': (*out, channels),
        'row': (*out[-1:], channels) if len(out) > 1 else (1, 1),
    }[share]


def normal(shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def taps(case):
    return int(np.prod(case.options['window']))


@generated(CASES, SHARES)
def test_mixed_pool_is_the_oracle(case, share):
    alpha = np.random.default_rng(1).uniform(size=shared_shape(case, share)).astype(np.float32)
    y = jax.jit(lambda x, a: mixed_pool(x, **case.options, alpha=a))(case.x, jnp.asarray(alpha))
    expected = oracles.mixed_pool(case.x.astype(np.float64), case.options, alpha)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(CASES, SHARES)
def test_gated_pool_is_the_oracle(case, share):
    weights = normal((taps(case), *shared_shape(case, share)))
    y = jax.jit(lambda x, w: gated_pool(x, w, **case.options))(case.x, weights)
    expected = oracles.gated_pool(case.x.astype(np.float64), case.options, np.asarray(weights))
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(CASES, SHARES, SHARES, st.sampled_from([1, 2, 4, 8]))
def test_tree_pool_is_the_oracle(case, share, gate_share, leaves):
    filters = normal((leaves, taps(case), *shared_shape(case, share))) / taps(case)
    gates = normal((leaves - 1, taps(case), *shared_shape(case, gate_share)), 1)
    y = jax.jit(lambda x, f, g: tree_pool(x, f, g, **case.options))(case.x, filters, gates)
    expected = oracles.tree_pool(
        case.x.astype(np.float64), case.options, np.asarray(filters), np.asarray(gates)
    )
    np.testing.assert_allclose(y, expected, atol=1e-5)


X = normal((2, 5, 6, 3))


def test_the_ends_of_mixed_pool_are_max_and_average():
    for alpha, pool in ((1, max_pool), (0.0, avg_pool)):
        y = mixed_pool(X, window=3, stride=2, alpha=alpha)
        np.testing.assert_array_equal(y, pool(X, window=3, stride=2))


def test_large_gates_choose():
    ones = jnp.ones((1, 4, 4, 2)).at[0, 0, 0, 0].set(3.0)
    y = gated_pool(ones, jnp.full(4, 100.0), window=2)
    np.testing.assert_array_equal(y, max_pool(ones, window=2))
    y = gated_pool(ones, jnp.full(4, -100.0), window=2)
    np.testing.assert_array_equal(y, avg_pool(ones, window=2))


def test_a_tree_of_equal_averages_is_average_pooling():
    y = tree_pool(X, jnp.full((4, 6), 1 / 6), normal((3, 6)), window=(2, 3), stride=1)
    np.testing.assert_allclose(y, avg_pool(X, window=(2, 3), stride=1), atol=1e-6)


def test_a_tree_reads_its_gates_level_by_level():
    filters = jnp.arange(1.0, 5.0).reshape(4, 1)  # at x = 1, the leaves are 1, 2, 3, 4
    one = jnp.ones((1, 1, 1, 1))
    far = 100.0
    leaf = {(far, far, 0): 1, (far, -far, 0): 2, (-far, 0, far): 3, (-far, 0, -far): 4}
    for gates, value in leaf.items():
        y = tree_pool(one, filters, jnp.asarray(gates, jnp.float32).reshape(3, 1), window=1)
        assert float(y[0, 0, 0, 0]) == value


# name: (op of x and its weights, the shapes of the weights)
OPS = {
    'mixed': (lambda x, a: mixed_pool(x, window=2, stride=1, padding='same', alpha=a), [(3,)]),
    'gated': (lambda x, w: gated_pool(x, w, window=2, stride=1, padding='same'), [(4, 3)]),
    'tree': (
        lambda x, f, g: tree_pool(x, f, g, window=2, stride=1, padding='same'),
        [(4, 4, 3), (3, 4)],
    ),
}


@pytest.fixture(params=OPS)
def op(request):
    return OPS[request.param]


def test_gradients_are_those_of_finite_differences(op):
    pool, shapes = op
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        start = [rng.normal(size=s) for s in [(1, 3, 4, 3), *shapes]]
        start[1] = np.abs(start[1]) / (1 + np.abs(start[1]))
        g = rng.normal(size=(1, 3, 4, 3))

        @jax.jit
        def loss(*inputs):
            return (jnp.sin(pool(*inputs)) * g).sum()

        gradients = jax.jit(jax.grad(loss, argnums=tuple(range(len(start)))))(*start)
        for i, gradient in enumerate(gradients):
            assert gradient.dtype == jnp.float64
            for index in np.ndindex(*start[i].shape):
                ends = []
                for step in (1e-6, -1e-6):
                    moved = [value.copy() for value in start]
                    moved[i][index] += step
                    ends.append(float(loss(*moved)))
                slope = (ends[0] - ends[1]) / 2e-6
                np.testing.assert_allclose(gradient[index], slope, atol=1e-7)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
def test_dtype_is_kept_forward_and_backward(op, dtype):
    pool, shapes = op
    weights = [jnp.full(s, 0.5, jnp.float32) for s in shapes]
    x = jnp.asarray(X[:, :4], dtype)
    y, dx, *dw = jax.jit(lambda *a: pulled_back(pool, *a))(x, *weights)
    assert y.dtype == dx.dtype == dtype and all(d.dtype == jnp.float32 for d in dw)
    exact = jax.jit(pool)(x.astype(jnp.float32), *weights)
    np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=4 * float(jnp.finfo(dtype).eps))


def test_jit_equals_eager_and_vmap_a_loop(op):
    pool, shapes = op
    weights = [normal(s, 1) for s in shapes]
    batches = jnp.asarray(normal((3, 2, 4, 5, 3)))
    gradient = jax.grad(lambda x: (pool(x, *weights) ** 2).sum())
    looped = jnp.stack([gradient(x) for x in batches])
    np.testing.assert_allclose(jax.vmap(gradient)(batches), looped, atol=1e-5)
    np.testing.assert_allclose(jax.jit(gradient)(batches[0]), looped[0], atol=1e-5)


def test_nan_in_nan_out(op):
    pool, shapes = op
    x = jnp.zeros((1, 5, 5, 3)).at[0, 2, 2, 1].set(jnp.nan)
    y = np.isnan(pool(x, *[jnp.full(s, 0.5, jnp.float32) for s in shapes]))
    expected = np.zeros_like(y)
    expected[0, 1:3, 1:3, 1] = True
    np.testing.assert_array_equal(y, expected)


def test_no_scatters_or_gathers_in_the_compiled_gradient(op):
    pool, shapes = op
    inputs = [X, *[normal(s) for s in shapes]]
    numbers = tuple(range(len(inputs)))
    gradient = jax.jit(jax.grad(lambda *i: (pool(*i) ** 2).sum(), argnums=numbers))
    text = gradient.lower(*inputs).compile().as_text() or ''
    assert not any(word in text for word in (' scatter(', ' gather(', 'select-and-scatter('))


ONES = jnp.ones((1, 4, 4, 3))


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: mixed_pool(ONES, window=2, alpha=1.5), 'alpha must be a number from 0 to 1.*1.5'),
        (lambda: mixed_pool(ONES, window=2, alpha=-0.1), 'alpha must be a number from 0 to 1'),
        (lambda: mixed_pool(ONES, window=2, alpha=np.nan), 'alpha must be a number from 0 to 1'),
        (lambda: mixed_pool(ONES, window=2, alpha=True), 'alpha must be a number from 0 to 1'),
        (lambda: mixed_pool(ONES, window=2, alpha=jnp.ones(2)), r'alpha .*\(2, 2, 3\).*\(2,\)'),
        (lambda: mixed_pool(ONES, window=2, alpha=jnp.ones((1, 2, 2, 3))), 'alpha must have'),
        (lambda: mixed_pool(ONES, window=5), 'larger than the feature map'),
        (lambda: mixed_pool(ONES, window=0), 'window must be an int of at least 1'),
        (lambda: mixed_pool(ONES, window=2, fill='wrap'), 'fill must be one of'),
        (lambda: gated_pool(ONES, jnp.ones(3), window=2), r'weights must have shape \(4,\)'),
        (lambda: gated_pool(ONES, jnp.ones((4, 2)), window=2), r'weights .*got \(4, 2\)'),
        (
            lambda: tree_pool(ONES, jnp.ones((3, 4)), jnp.ones((2, 4)), window=2),
            r'filters must hold a power of two of leaves; got shape \(3, 4\)',
        ),
        (
            lambda: tree_pool(ONES, jnp.ones((2, 4)), jnp.ones((2, 4)), window=2),
            r'gates must have shape \(1, 4\)',
        ),
        (
            lambda: tree_pool(ONES, jnp.ones((2, 5)), jnp.ones((1, 4)), window=2),
            r'filters must have shape \(2, 4\)',
        ),
        (lambda: mixed_pool(jnp.ones((4, 4, 3), int), window=2), 'x must hold floats'),
    ],
)
def test_bad_arguments_say_what_is_allowed(call, said, unchecked):
    with pytest.raises(ValueError, match=said) as raised:
        call()
    assert '\n' not in str(raised.value)
