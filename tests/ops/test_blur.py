"""blur_pool and max_blur_pool against float64 loops and the known answers of the literature."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax import ops
from cnn_jax.ops.windows import FILLS
from tests.cases import generated
from tests.oracles import plain as oracles


def image(values) -> jax.Array:
    values = jnp.asarray(values, jnp.float32)
    return values[None, ..., None]


@st.composite
def blur_cases(draw):
    rank = draw(st.integers(1, 3))
    limit = {1: 17, 2: 11, 3: 5}[rank]
    filter_size, fill = draw(st.integers(1, 7)), draw(st.sampled_from(FILLS))
    least = filter_size if fill == 'circular' else 1
    size = tuple(draw(st.integers(least, max(limit, least))) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    shape = (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3)))
    x = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).normal(size=shape)
    return x.astype(np.float32), filter_size, stride, fill


@generated(blur_cases())
def test_blur_pool_is_the_oracle(case):
    x, filter_size, stride, fill = case
    y = jax.jit(lambda x: ops.blur_pool(x, filter_size=filter_size, stride=stride, padding=fill))(x)
    expected = oracles.blur_pool(x.astype(np.float64), filter_size, stride, fill)
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(blur_cases())
def test_gradient_is_the_adjoint(case):
    """<blur(x), g> = <x, blur^T(g)>: exact for a linear map, checked in float32."""
    x, filter_size, stride, fill = case

    def blur(x):
        return ops.blur_pool(x, filter_size=filter_size, stride=stride, padding=fill)

    out = jax.eval_shape(blur, x)
    g = np.random.default_rng(1).normal(size=out.shape).astype(np.float32)
    (dx,) = jax.jit(lambda x, g: jax.vjp(blur, x)[1](g))(x, g)
    basis = np.random.default_rng(2).normal(size=x.shape)
    left = (oracles.blur_pool(basis, filter_size, stride, fill) * g).sum()
    np.testing.assert_allclose((basis * np.asarray(dx)).sum(), left, atol=1e-4)


@generated(blur_cases(), st.integers(1, 3))
def test_max_blur_pool_is_the_oracle(case, window):
    x, filter_size, stride, fill = case
    window = min(window, *x.shape[1:-1])
    rank = x.ndim - 2
    pooled = oracles.reduce_windows(
        x, (window,) * rank, (1,) * rank, lambda p: p.max(tuple(range(1, rank + 1)))
    )
    if fill == 'circular' and min(pooled.shape[1:-1]) < filter_size:
        fill = 'reflect'
    y = jax.jit(
        lambda x: ops.max_blur_pool(
            x, window=window, filter_size=filter_size, stride=stride, padding=fill
        )
    )(x)
    np.testing.assert_allclose(y, oracles.blur_pool(pooled, filter_size, stride, fill), atol=1e-5)


@pytest.mark.parametrize(
    'filter_size, expected',
    [
        (2, [[4, 6, 7], [14, 16, 17], [19, 21, 22]]),
        (3, [[4, 5.5, 7], [11.5, 13, 14.5], [19, 20.5, 22]]),
        (4, [[5.5, 7.25, 8], [14.25, 16, 16.75], [18, 19.75, 20.5]]),
        (5, [[5.5, 6.75, 8], [11.75, 13, 14.25], [18, 19.25, 20.5]]),
    ],
)
def test_known_answers_with_reflection(filter_size, expected):
    x = image(np.arange(1, 26).reshape(5, 5))
    y = ops.blur_pool(x, filter_size=filter_size)[0, :, :, 0]
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize(
    'fill, expected',
    [
        ('zero', [[1.6875, 3.5, 3.5625], [8.5, 13, 11], [11.0625, 16, 12.9375]]),
        ('replicate', [[2.5, 4.25, 6], [11.25, 13, 14.75], [20, 21.75, 23.5]]),
    ],
)
def test_known_answers_of_other_fills(fill, expected):
    x = image(np.arange(1, 26).reshape(5, 5))
    np.testing.assert_allclose(ops.blur_pool(x, padding=fill)[0, :, :, 0], expected, atol=1e-5)


def test_known_answers_of_max_blur():
    y = ops.max_blur_pool(image(np.eye(5)))[0, :, :, 0]
    np.testing.assert_allclose(y, [[1, 0.5], [0.5, 0.875]], atol=1e-6)


def test_shifted_toy_signal():
    """Zhang 2019, figure 3: one step of shift changes max pooling wholly and max-blur little."""
    x = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.float32)

    def both(x):
        x = jnp.asarray(x).reshape(1, 8, 1)
        pooled = ops.max_pool(jnp.concatenate([x, x[:, :1]], 1), window=2, stride=1)
        blurred = ops.blur_pool(pooled, filter_size=3, padding='circular')
        return ops.max_pool(x, window=2)[0, :, 0].tolist(), blurred[0, :, 0].tolist()

    assert both(x) == ([0, 1, 0, 1], [0.5, 1, 0.5, 1])
    assert both(np.roll(x, -1)) == ([1, 1, 1, 1], [0.75] * 4)


@pytest.mark.parametrize('fill', ['reflect', 'replicate', 'circular'])
@pytest.mark.parametrize('filter_size', range(1, 8))
def test_a_constant_stays_constant(fill, filter_size):
    y = ops.blur_pool(jnp.ones((1, 9, 7, 2)), filter_size=filter_size, padding=fill)
    np.testing.assert_allclose(y, 1, atol=1e-6)


@pytest.mark.parametrize('filter_size', range(1, 8))
@pytest.mark.parametrize('stride', [1, 2, 3, 4])
def test_size_is_that_of_a_max_pool(filter_size, stride):
    for n in (*range(2, 20), 28, 32, 112):
        x = jax.ShapeDtypeStruct((1, n, 1), jnp.float32)

        def blurred(x):
            return ops.max_blur_pool(x, filter_size=filter_size, stride=stride)

        y = jax.eval_shape(blurred, x)
        assert y.shape[1] == ops.output_size(n, window=2, stride=stride)[0]


def test_circular_blur_commutes_with_shifts_by_the_stride():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 3)), jnp.float32)
    y = ops.blur_pool(x, filter_size=5, padding='circular')
    moved = ops.blur_pool(jnp.roll(x, (2, 4), (1, 2)), filter_size=5, padding='circular')
    np.testing.assert_allclose(moved, jnp.roll(y, (1, 2), (1, 2)), atol=1e-6)


def test_filter_two_is_average_pooling_on_even_sizes():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 8, 3)), jnp.float32)
    np.testing.assert_allclose(
        ops.blur_pool(x, filter_size=2), ops.avg_pool(x, window=2), atol=1e-6
    )


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_dtype_is_kept(dtype):
    x = jnp.ones((1, 5, 4, 2), dtype)
    y, pullback = jax.vjp(ops.max_blur_pool, x)
    assert y.dtype == dtype and pullback(y)[0].dtype == dtype


def test_vmap_and_jit_agree_with_a_loop():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 6, 5, 2)), jnp.float32)
    gradient = jax.grad(lambda x: (ops.max_blur_pool(x, filter_size=4) ** 2).sum())
    loop = jnp.stack([gradient(e) for e in x])
    np.testing.assert_allclose(jax.jit(jax.vmap(gradient))(x), loop, atol=1e-6)


@pytest.mark.parametrize('filter_size', [0, 8, -1, 2.0, True])
def test_filter_size_outside_one_to_seven_is_refused(filter_size, unchecked):
    with pytest.raises(ValueError, match='filter_size must be an int from 1 to 7; got'):
        ops.blur_pool(jnp.zeros((1, 4, 4, 1)), filter_size=filter_size)


def test_other_bad_arguments_are_refused(unchecked):
    x = jnp.zeros((1, 4, 4, 1))
    with pytest.raises(ValueError, match="padding must be one of 'zero', 'reflect'"):
        ops.blur_pool(x, padding='mirror')
    with pytest.raises(ValueError, match='circular padding needs a map at least as large'):
        ops.blur_pool(x, filter_size=5, padding='circular')
