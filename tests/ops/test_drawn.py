"""Fractional max pooling and S3Pool against loops, and what they draw."""

from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax import ops
from tests.cases import compiled, generated, maps
from tests.oracles import drawn

KEY = jax.random.key(0)


@generated(maps(), st.integers(1, 3), st.integers(0, 99), st.integers(0, 2**16))
def test_fractional_max_pool_is_the_oracle(x, window, shrink, seed):
    window = min(window, *x.shape[1:3])
    sizes = [1 + shrink % (n - window + 1) for n in x.shape[1:3]]
    samples = np.random.default_rng(seed).random((len(x), x.shape[-1], 2), np.float32)
    places = {'samples': jnp.asarray(samples), 'window': window, 'size': sizes}
    y = compiled(ops.fractional_max_pool, x, **places)
    expected = drawn.fractional_max_pool(x, samples, (window, window), sizes)
    np.testing.assert_array_equal(y, expected)


def test_fractional_windows_with_a_ratio_of_2_are_those_of_max_pool():
    x = jax.random.normal(KEY, (2, 8, 8, 3))
    samples = jax.random.uniform(KEY, (2, 3, 2))
    y = ops.fractional_max_pool(x, samples, window=2, size=4)
    np.testing.assert_array_equal(y, ops.max_pool(x, window=2))


def test_the_gradient_of_a_fractional_maximum_goes_to_its_element():
    x = jax.random.permutation(KEY, jnp.arange(49.0)).reshape(1, 7, 7, 1)
    samples = jnp.full((1, 1, 2), 0.3)
    y, pull = jax.vjp(lambda x: ops.fractional_max_pool(x, samples, size=5), x)
    (dx,) = pull(jnp.ones_like(y))
    chosen = Counter(np.asarray(y).ravel().tolist())
    for value, gradient in zip(x.ravel().tolist(), dx.ravel().tolist(), strict=True):
        assert gradient == chosen[value]


@generated(maps(), st.integers(1, 3), st.integers(1, 3))
def test_s3_pool_after_training_is_the_oracle(x, window, stride):
    y = compiled(ops.s3_pool, x, window=window, stride=stride, grid=2 * stride, train=False)
    np.testing.assert_allclose(
        y, drawn.s3_mean(x.astype(np.float64), window, stride), rtol=1e-6, atol=1e-6
    )


@generated(maps(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**16))
def test_s3_pool_keeps_rows_and_columns_of_each_strip(x, window, stride, times, seed):
    grid, (height, width) = stride * times, x.shape[1:3]
    # Each element holds its own place, so that the result says which were kept.
    places = np.arange(1.0, 1 + height * width).reshape(1, height, width, 1)
    places = places.astype(np.float32)
    options = {'stride': stride, 'grid': grid, 'train': True}
    key = jax.random.key(seed)
    kept = np.asarray(compiled(ops.s3_pool, places, window=1, key=key, **options))[0, :, :, 0] - 1
    rows, columns = kept[:, 0].astype(int) // width, kept[0].astype(int) % width
    np.testing.assert_array_equal(kept, rows[:, None] * width + columns)
    for chosen, n in ((rows, height), (columns, width)):
        assert len(chosen) == -(-n // stride) and (np.diff(chosen) > 0).all()
        strips = Counter((chosen // grid).tolist())
        for strip in range(-(-n // grid)):
            assert strips[strip] == -(-min(grid, n - strip * grid) // stride)
    y = compiled(ops.s3_pool, x, window=window, key=key, **options)
    expected = drawn.max_at_stride_1(x, window)[:, rows][:, :, columns]
    np.testing.assert_array_equal(y, expected)


def test_every_row_of_a_strip_is_kept_as_often():
    x = jnp.arange(8.0).reshape(1, 8, 1)
    keys = jax.random.split(KEY, 4000)
    draw = jax.vmap(lambda key: ops.s3_pool(x, window=1, train=True, key=key))
    counts = np.bincount(np.asarray(draw(keys)).astype(int).ravel(), minlength=8)
    assert np.abs(counts / 4000 - 0.5).max() < 5 * np.sqrt(0.25 / 4000)


def test_rows_and_columns_are_drawn_apart():
    x = jnp.arange(64.0).reshape(1, 8, 8, 1)
    y = ops.s3_pool(x, window=1, train=True, key=KEY)[0, :, :, 0]
    assert (np.asarray(y[:, 0]) // 8).tolist() != (np.asarray(y[0]) % 8).tolist()


def test_a_nan_stays_where_it_is():
    x = jnp.zeros((1, 8, 8, 1)).at[0, 0, 0, 0].set(jnp.nan)
    for y in (
        ops.s3_pool(x, window=1, train=True, key=KEY),
        ops.fractional_max_pool(x, jnp.full((1, 1, 2), 0.5), size=6),
    ):
        assert int(jnp.isnan(y).sum()) <= 1


@pytest.mark.parametrize('grid', [3, 5])
def test_a_grid_that_the_stride_does_not_divide(grid):
    with pytest.raises(ValueError, match='grid must be a multiple of stride'):
        ops.s3_pool(jnp.ones((1, 8, 8, 1)), grid=grid, train=False)


def test_samples_of_another_shape(unchecked):
    for shape in ((2, 3), (2, 2, 3), (1, 3, 2)):
        with pytest.raises(ValueError, match=r'samples must be .*\(2, 3, 2\); got'):
            ops.fractional_max_pool(jnp.ones((2, 8, 8, 3)), jnp.full(shape, 0.5), size=4)
