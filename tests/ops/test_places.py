"""Places of maxima and un-pooling against float64 loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops
from tests.ops.programs import run_compiled
from tests.oracles import upsampling as oracles

CASES = [  # size, window, stride, pairs
    ((6,), (2,), (2,), ((0, 0),)),
    ((7,), (3,), (2,), ((1, 1),)),
    ((5, 4), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ((5, 7), (3, 2), (2, 1), ((1, 1), (0, 1))),
    ((7, 6), (2, 3), (3, 2), ((1, 0), (2, 1))),
    ((1, 1), (2, 1), (1, 1), ((1, 1), (0, 0))),
    ((4, 3, 5), (2, 2, 3), (2, 1, 2), ((0, 0), (1, 0), (0, 2))),
]


def ties(*shape, seed=0):
    return np.random.default_rng(seed).integers(-2, 2, shape).astype(np.float32)


@pytest.mark.parametrize('size, window, stride, pairs', CASES)
def test_there_and_back_is_the_oracle_with_the_gradient_of_what_is_kept(
    size, window, stride, pairs
):
    x = ties(2, *size, 2)
    options = {'window': window, 'stride': stride, 'padding': pairs}

    @jax.jit
    def there_and_back(x, y):
        values, places = ops.max_pool_with_places(x, **options)
        y = y.reshape(-1)[: values.size].reshape(values.shape)
        whole, pullback = jax.vjp(lambda y: ops.max_unpool(y, places, **options, size=size), y)
        return values, places, y, whole, pullback(jnp.cos(whole + x))[0]

    values, places, y, whole, dy = there_and_back(x, ties(2, 40, 40, seed=1) + 0.5)
    expected = oracles.max_pool_with_places(x, window, stride, pairs)
    np.testing.assert_array_equal(values, expected[0])
    np.testing.assert_array_equal(places, expected[1])
    np.testing.assert_array_equal(whole, oracles.max_unpool(np.asarray(y), places, size))
    every = np.arange(1, y.size + 1, dtype=float).reshape(y.shape)  # which of them stays
    kept = oracles.max_unpool(every, places, size)
    expected_dy = np.zeros(y.shape)
    for at, number in np.ndenumerate(kept):
        if number:
            expected_dy.reshape(-1)[int(number) - 1] = np.cos(whole[at] + x[at])
    np.testing.assert_allclose(dy, expected_dy, rtol=1e-6)


def test_the_gradient_of_the_values_is_that_of_max_pool():
    x, options = jnp.asarray(ties(2, 6, 5, 2)), {'window': 3, 'stride': 2, 'padding': 'same'}

    def both(x):
        return [
            jax.grad(lambda x, op=op: (op(x) ** 2).sum())(x + 0.3)
            for op in (
                lambda x: ops.max_pool_with_places(x, **options)[0],
                lambda x: ops.max_pool(x, **options),
            )
        ]

    first, second = run_compiled(both, x)
    np.testing.assert_array_equal(first, second)


def test_minus_infinity_and_nan_have_places_within_the_map():
    x = jnp.full((1, 4, 1), -jnp.inf).at[0, 2, 0].set(jnp.nan)
    values, places = ops.max_pool_with_places(x, window=3, stride=2, padding='same')
    assert places.ravel().tolist() == [0, 2] and np.isnan(values[0, 1, 0])


def test_a_size_that_the_windows_do_not_make_is_refused(unchecked):
    y, places = jnp.ones((1, 3, 3, 1)), jnp.zeros((1, 3, 3, 1), jnp.int32)
    with pytest.raises(ValueError, match=r'size must be that of a map which becomes \(3, 3\)'):
        ops.max_unpool(y, places, window=2, size=9)
    assert ops.max_unpool(y, places, window=2, size=(7, 6)).shape == (1, 7, 6, 1)
