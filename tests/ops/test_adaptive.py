"""Adaptive and global pooling, and space to depth, against loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax import ops
from tests.cases import compiled, generated, maps

sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))


def adaptive_oracle(x, size, reduce):
    y = np.zeros((x.shape[0], *size, x.shape[-1]))
    (height, width), (rows, columns) = x.shape[1:3], size
    for i in range(rows):
        for j in range(columns):
            top, bottom = i * height // rows, -(-(i + 1) * height // rows)
            left, right = j * width // columns, -(-(j + 1) * width // columns)
            y[:, i, j] = reduce(x[:, top:bottom, left:right], (1, 2))
    return y


@generated(maps(), sizes)
def test_adaptive_avg_pool_is_the_oracle(x, size):
    expected = adaptive_oracle(x.astype(np.float64), size, np.mean)
    np.testing.assert_allclose(compiled(ops.adaptive_avg_pool, x, size=size), expected, atol=1e-5)


@generated(maps(), sizes)
def test_adaptive_max_pool_is_the_oracle(x, size):
    expected = adaptive_oracle(x, size, np.max)
    np.testing.assert_array_equal(compiled(ops.adaptive_max_pool, x, size=size), expected)


@generated(maps())
def test_global_pools_are_the_mean_and_the_maximum(x):
    mean = x.astype(np.float64).mean((1, 2))
    np.testing.assert_allclose(compiled(ops.global_avg_pool, x), mean, atol=1e-6)
    np.testing.assert_array_equal(compiled(ops.global_max_pool, x), x.max((1, 2)))


def test_the_first_global_maximum_takes_the_whole_gradient():
    x = jnp.array([[0.0, 2.0], [2.0, 1.0]]).reshape(1, 2, 2, 1)
    for pool in (ops.global_max_pool, lambda x: ops.adaptive_max_pool(x, size=1)):
        dx = jax.grad(lambda x, pool=pool: pool(x).sum())(x)
        assert dx[0, :, :, 0].tolist() == [[0.0, 1.0], [0.0, 0.0]]


@generated(maps(), st.integers(1, 4))
def test_space_to_depth_moves_every_element(x, stride):
    y = np.asarray(compiled(ops.space_to_depth, x, stride=stride))
    assert y.shape[1:3] == tuple(-(-n // stride) for n in x.shape[1:3])
    channels = x.shape[-1]
    for i, j in np.ndindex(*(n * stride for n in y.shape[1:3])):
        inside = i < x.shape[1] and j < x.shape[2]
        expected = x[:, i, j] if inside else np.zeros_like(x[:, 0, 0])
        first = ((i % stride) * stride + j % stride) * channels
        found = y[:, i // stride, j // stride, first : first + channels]
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize('size', [0, -1, 2.5, (2, 2, 2)])
def test_a_bad_size_is_refused(size, unchecked):
    with pytest.raises(ValueError, match='size must be an int'):
        ops.adaptive_avg_pool(jnp.zeros((1, 4, 4, 1)), size=size)
