"""Learned, content-adaptive and edge-aware blurs against float64 loops at generated sizes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

from cnn_jax.ops.adaptive_blur import (
    adaptive_blur_pool,
    binomial_logits,
    edge_aware_blur,
    learned_blur_pool,
)
from cnn_jax.ops.blur import blur_pool
from cnn_jax.ops.windows import FILLS
from tests.cases import draw_values, generated, maps, pulled_back
from tests.oracles import adaptive_blur as oracles

LIMIT = {1: 12, 2: 8, 3: 4}


def normal(shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@st.composite
def blur_cases(draw):
    """x, filter size and stride per axis, fill."""
    rank = draw(st.integers(1, 3))
    fill = draw(st.sampled_from(FILLS))
    sizes = tuple(draw(st.integers(1, min(7, LIMIT[rank]))) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    shape = [draw(st.integers(k if fill == 'circular' else 1, LIMIT[rank])) for k in sizes]
    return draw_values(draw, (draw(st.integers(1, 2)), *shape, 4)), sizes, stride, fill


@generated(blur_cases(), st.booleans())
def test_learned_blur_pool_is_the_oracle(case, per_channel):
    x, sizes, stride, fill = case
    logits = normal((*sizes, 4) if per_channel else sizes)
    y = jax.jit(lambda x, w: learned_blur_pool(x, w, stride=stride, padding=fill))(x, logits)
    expected = oracles.learned_blur_pool(
        x.astype(np.float64), np.asarray(logits, np.float64), stride, fill
    )
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(blur_cases(), st.sampled_from([1, 2, 4]), st.sampled_from(['group', 'all']))
def test_adaptive_blur_pool_is_the_oracle(case, groups, normalise):
    x, sizes, stride, fill = case
    out = [-(-n // s) for n, s in zip(x.shape[1:-1], stride, strict=True)]
    logits = normal((len(x), *out, groups * int(np.prod(sizes))))
    options = {'filter_size': sizes, 'stride': stride, 'padding': fill, 'normalise': normalise}
    y = jax.jit(lambda x, w: adaptive_blur_pool(x, w, **options))(x, logits)
    expected = oracles.adaptive_blur_pool(
        x.astype(np.float64), np.asarray(logits, np.float64), sizes, stride, fill, normalise
    )
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(
    st.integers(1, 3).flatmap(lambda rank: maps(rank=rank, most=LIMIT[rank])),
    st.integers(1, 7),
    st.sampled_from(FILLS),
    st.sampled_from([1.25, 2.5, 30.0]),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1e-6, 1e-2, 1.0]),
    st.sampled_from([None, 0.2, 0.5]),
)
def test_edge_aware_blur_is_the_oracle(x, filter_size, fill, threshold, dilation, eps, spread):
    x = np.exp(spread * x) if spread else x  # values around 0 have edges everywhere
    assume(fill != 'circular' or filter_size <= min(x.shape[1:-1]))
    expected, nearest = oracles.edge_aware_blur(
        x.astype(np.float64), filter_size, threshold, dilation, eps, fill
    )
    assume(nearest > 1e-4)  # float32 may decide the other way
    options = {'edge_threshold': threshold, 'edge_dilation': dilation, 'eps': eps}
    y = jax.jit(lambda x: edge_aware_blur(x, filter_size=filter_size, padding=fill, **options))(x)
    np.testing.assert_allclose(y, expected, atol=1e-5)


X = normal((2, 7, 8, 4))


@pytest.mark.parametrize('filter_size', range(1, 8))
def test_binomial_logits_make_the_binomial_blur(filter_size):
    logits = jnp.asarray(binomial_logits(filter_size, 2))
    for fill in FILLS:
        y = learned_blur_pool(X, logits, padding=fill)
        expected = blur_pool(X, filter_size=filter_size, padding=fill)
        np.testing.assert_allclose(y, expected, atol=1e-6)


@pytest.mark.parametrize(
    'groups, normalise, gain', [(4, 'group', 1), (4, 'all', 0.25), (1, 'all', 1)]
)
def test_gain_of_adaptive_blur_pool(groups, normalise, gain):
    """STRATEGIES.md 1.2: ones in, 0.25 out with 4 groups under the softmax of the paper's code."""
    y = adaptive_blur_pool(
        jnp.ones((1, 6, 6, 8)), jnp.zeros((1, 3, 3, groups * 9)), normalise=normalise
    )
    np.testing.assert_allclose(y, gain, rtol=1e-6)


def test_equal_logits_at_all_positions_make_the_learned_blur():
    shared = normal((3, 3))
    logits = jnp.broadcast_to(shared.ravel(), (2, 4, 4, 9))
    np.testing.assert_allclose(
        adaptive_blur_pool(X, logits), learned_blur_pool(X, shared), atol=1e-6
    )


def test_a_constant_stays_constant():
    x = jnp.full((1, 5, 6, 4), 3.0)
    for fill in ('reflect', 'replicate', 'circular'):
        for y in (
            learned_blur_pool(x, normal((4, 4, 4)), padding=fill),
            adaptive_blur_pool(x, normal((1, 3, 3, 18)), padding=fill),
            edge_aware_blur(x, padding=fill),
        ):
            np.testing.assert_allclose(y, 3, rtol=1e-6)


def test_edges_stay_and_the_rest_is_blurred():
    rng = np.random.default_rng(0)
    x = (1 + 0.1 * rng.uniform(size=(1, 20, 4, 1))).astype(np.float32)
    x[:, 10:] *= 10
    y = np.asarray(edge_aware_blur(jnp.asarray(x)))
    rows = np.arange(20)
    kept = (rows >= 7) & (rows <= 12)  # contrast at 8 to 11, grown by one
    np.testing.assert_array_equal(y[:, kept], x[:, kept])
    blurred = blur_pool(jnp.asarray(x), filter_size=3, stride=1)
    np.testing.assert_array_equal(y[:, ~kept], blurred[:, ~kept])
    assert (y[:, ~kept] != x[:, ~kept]).all()


def test_edges_do_not_move_with_the_intensity_or_around_a_circle():
    x = jnp.exp(normal((1, 8, 9, 2)) / 4)
    np.testing.assert_allclose(edge_aware_blur(8 * x), 8 * edge_aware_blur(x), rtol=1e-5)
    rolled = edge_aware_blur(jnp.roll(x, (3, 5), (1, 2)), padding='circular')
    np.testing.assert_allclose(
        rolled, jnp.roll(edge_aware_blur(x, padding='circular'), (3, 5), (1, 2)), rtol=1e-6
    )


def test_opposite_contrasts_of_channels_cancel():
    up = jnp.where(jnp.arange(10) < 5, 1.0, 4.0)
    x = jnp.stack([up, 4 / up], -1)[None]
    np.testing.assert_array_equal(edge_aware_blur(x), blur_pool(x, filter_size=3, stride=1))
    one = edge_aware_blur(x[..., :1])
    assert (one[0, 2:8] == x[0, 2:8, :1]).all()


def test_below_zero_nothing_is_nan():
    assert jnp.isfinite(
        jax.value_and_grad(lambda x: edge_aware_blur(-x).sum())(jnp.abs(X))[1]
    ).all()
    np.testing.assert_array_equal(
        edge_aware_blur(-jnp.abs(X)), blur_pool(-jnp.abs(X), filter_size=3, stride=1)
    )


# name: (op of x and its weights, the shapes of the weights, on 5 x 4 maps of 4 channels)
OPS = {
    'learned': (lambda x, w: learned_blur_pool(x, w), [(3, 3, 4)]),
    'learned_layer': (lambda x, w: learned_blur_pool(x, w, padding='circular'), [(4, 4)]),
    'adaptive': (lambda x, w: adaptive_blur_pool(x, w), [(1, 3, 2, 18)]),
    'adaptive_all': (lambda x, w: adaptive_blur_pool(x, w, normalise='all'), [(1, 3, 2, 18)]),
    'edge_aware': (lambda x: edge_aware_blur(x, edge_threshold=2.0, edge_dilation=1), []),
}


@pytest.fixture(params=OPS)
def op(request):
    return OPS[request.param]


def test_gradients_are_those_of_finite_differences(op):
    blur, shapes = op
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        start = [rng.uniform(0.5, 1.5, size=s) for s in [(1, 5, 4, 4), *shapes]]
        g = rng.normal(size=jax.eval_shape(blur, *start).shape)

        @jax.jit
        def loss(*inputs):
            return (jnp.sin(blur(*inputs)) * g).sum()

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
    blur, shapes = op
    weights = [normal(s) for s in shapes]
    x = jnp.asarray(np.abs(X[:1, :5, :4]), dtype)
    y, dx, *dw = jax.jit(lambda *a: pulled_back(blur, *a))(x, *weights)
    assert y.dtype == dx.dtype == dtype and all(d.dtype == jnp.float32 for d in dw)
    exact = jax.jit(blur)(x.astype(jnp.float32), *weights)
    np.testing.assert_allclose(y.astype(jnp.float32), exact, atol=4 * float(jnp.finfo(dtype).eps))


def test_jit_equals_eager_and_vmap_a_loop(op):
    blur, shapes = op
    weights = [normal(s) for s in shapes]
    batches = jnp.abs(normal((3, 1, 5, 4, 4)))
    gradient = jax.grad(lambda x: (blur(x, *weights) ** 2).sum())
    looped = jnp.stack([gradient(x) for x in batches])
    np.testing.assert_allclose(jax.vmap(gradient)(batches), looped, atol=1e-6)
    np.testing.assert_allclose(jax.jit(gradient)(batches[0]), looped[0], atol=1e-6)


def test_nan_in_nan_out(op):
    blur, shapes = op
    x = jnp.ones((1, 5, 4, 4)).at[0, 2, 2, 1].set(jnp.nan)
    y = np.isnan(blur(x, *[normal(s) for s in shapes]))
    assert y[..., 1].any() and not y[..., [0, 2, 3]].any()
    assert not y[..., 1].all()


def test_no_scatters_or_gathers_in_the_compiled_gradient(op):
    blur, shapes = op
    inputs = [np.abs(X[:1, :5, :4]), *[normal(s) for s in shapes]]
    numbers = tuple(range(len(inputs)))
    gradient = jax.jit(jax.grad(lambda *i: (blur(*i) ** 2).sum(), argnums=numbers))
    text = gradient.lower(*inputs).compile().as_text() or ''
    forbidden = (' scatter(', ' gather(', 'select-and-scatter(', 'feature_group_count', ' sort(')
    assert not any(word in text for word in forbidden)


ONES = jnp.ones((1, 4, 4, 6))


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: learned_blur_pool(ONES, jnp.ones(3)), r'logits must have 2 filter axes.*\(3,\)'),
        (
            lambda: learned_blur_pool(ONES, jnp.ones((3, 3, 5))),
            r'6 channels; got shape \(3, 3, 5\)',
        ),
        (
            lambda: learned_blur_pool(ONES, jnp.ones((8, 8))),
            'logits must have 2 filter axes of 1 to 7',
        ),
        (lambda: learned_blur_pool(ONES, jnp.ones((0, 3))), 'filter_size must be an int of at'),
        (lambda: learned_blur_pool(ONES, jnp.ones((3, 3)), stride=0), 'stride must be an int'),
        (lambda: learned_blur_pool(ONES, jnp.ones((3, 3)), padding='wrap'), 'padding must be one'),
        (
            lambda: learned_blur_pool(ONES, jnp.ones((5, 5)), padding='circular'),
            r'circular padding needs a map at least as large as filter_size = \(5, 5\)',
        ),
        (
            lambda: adaptive_blur_pool(ONES, jnp.ones((1, 2, 2, 10))),
            r'logits must be \(batch, \*out, groups \* 9\).*\(1, 2, 2\); got \(1, 2, 2, 10\)',
        ),
        (lambda: adaptive_blur_pool(ONES, jnp.ones((1, 4, 4, 9))), 'logits must be'),
        (lambda: adaptive_blur_pool(ONES, jnp.ones((1, 2, 2, 0))), 'logits must be'),
        (
            lambda: adaptive_blur_pool(ONES, jnp.ones((1, 2, 2, 36))),
            'groups must divide the 6 channels; got 4',
        ),
        (
            lambda: adaptive_blur_pool(ONES, jnp.ones((1, 2, 2, 9)), normalise='none'),
            "normalise must be 'group' or 'all'; got 'none'",
        ),
        (lambda: edge_aware_blur(ONES, filter_size=8), 'filter_size must be an int from 1 to 7'),
        (lambda: edge_aware_blur(ONES, edge_threshold=1.0), 'edge_threshold .* above 1; got 1.0'),
        (lambda: edge_aware_blur(ONES, edge_dilation=2), 'edge_dilation must be odd; got 2'),
        (lambda: edge_aware_blur(ONES, edge_dilation=0), 'edge_dilation must be an int of at'),
        (lambda: edge_aware_blur(ONES, eps=0.0), 'eps must be a number above 0; got 0.0'),
        (lambda: edge_aware_blur(ONES, padding='edge'), 'padding must be one of'),
        (lambda: edge_aware_blur(jnp.ones((4, 4, 4), int)), 'x must hold floats'),
    ],
)
def test_bad_arguments_say_what_is_allowed(call, said, unchecked):
    with pytest.raises(ValueError, match=said) as raised:
        call()
    assert '\n' not in str(raised.value)
