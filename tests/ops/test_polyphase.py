"""Adaptive and learned polyphase sampling against float64 loops, and under every shift."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.polyphase import aps_index, aps_pool, aps_unpool
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

NORMS = ('l1', 'l2', 'max')
STRIDES = st.tuples(st.integers(1, 4), st.integers(1, 4))


@generated(maps(), STRIDES, st.integers(1, 7), st.sampled_from(FILLS), st.sampled_from(NORMS))
def test_aps_is_the_oracle(x, stride, filter_size, fill, norm):
    filter_size = filter_that_fits(filter_size, fill, x)
    options = {'stride': stride, 'filter_size': filter_size, 'padding': fill, 'norm': norm}
    for select_on, seen in (('input', 1), ('blurred', filter_size)):
        index = compiled(aps_index, x, **{**options, 'filter_size': seen})
        norms = oracles.aps_norms(x.astype(np.float64), stride, seen, fill, norm)
        chosen = np.take_along_axis(norms, np.asarray(index)[:, None], 1)[:, 0]
        assert (chosen >= norms.max(1) * (1 - 1e-5)).all()  # equal norms may differ by rounding
        y = compiled(aps_pool, x, select_on=select_on, **options)
        expected = oracles.aps_pool(x.astype(np.float64), stride, filter_size, fill, index)
        np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('norm', NORMS)
def test_index_order_and_ties(norm):
    for stride in ((2, 2), (3, 2), (1, 3)):
        for row, column in np.ndindex(*stride):
            x = jnp.zeros((1, 6, 6, 2)).at[0, row + stride[0], column, 1].set(-1)
            assert aps_index(x, stride=stride, norm=norm).tolist() == [stride[0] * column + row]
    assert aps_index(jnp.ones((2, 4, 4, 1)), norm=norm).tolist() == [0, 0]
    tie = jnp.zeros((1, 4, 4, 1)).at[0, 1, 1].set(1).at[0, 2, 1].set(-1)
    assert aps_index(tie, norm=norm).tolist() == [2]


def test_selection_on_the_input_and_on_the_blurred_map_differ():
    x = normal(20, 6, 6, 1)
    seen, unseen = aps_index(x, filter_size=5), aps_index(x)
    assert (seen != unseen).any()
    for select_on, index in (('blurred', seen), ('input', unseen)):
        y = aps_pool(x, filter_size=5, select_on=select_on)
        np.testing.assert_array_equal(y, aps_pool(x, filter_size=5, index=index))


CASES = [
    *((8, 12, f, n) for f in (1, 2, 3, 5) for n in NORMS),
    *((n, 36 - n, (1, 2, 3, 5)[n // 2 % 4], NORMS[n // 2 % 3]) for n in range(6, 33, 2)),
    (4, 4, 3, 'l2'),
    (32, 32, 3, 'l2'),
]


@pytest.mark.parametrize('height, width, filter_size, norm', CASES)
def test_aps_of_every_circular_shift_is_a_roll(height, width, filter_size, norm):
    if filter_size > min(height, width):
        filter_size = 3
    x = normal(height, width, 2, seed=height)
    for select_on, seen in (('input', 1), ('blurred', filter_size)):
        index = int(compiled(aps_index, x[None], norm=norm, filter_size=seen)[0])
        pool = partial(aps_pool, filter_size=filter_size, norm=norm, select_on=select_on)
        failures = count_failures(pool, x, (index % 2, index // 2))
        assert failures == (0, height * width)


def test_odd_sizes_are_not_equivariant():
    x = normal(7, 7, 2)
    index = int(aps_index(x[None])[0])
    failures, total = count_failures(aps_pool, x, (index % 2, index // 2))
    assert failures > total // 2


def test_a_shared_index_keeps_two_branches_aligned():
    main = normal(8, 6, 3)
    shortcut = jnp.roll(main, 1, 0)
    index = int(aps_index(main[None])[0])
    assert aps_index(shortcut[None]).tolist() != [index]

    def pool(both):
        return aps_pool(both[..., 3:], filter_size=3, index=aps_index(both[..., :3]))

    both = jnp.concatenate([main, shortcut], -1)
    assert count_failures(pool, both, (index % 2, index // 2))[0] == 0
    alone = partial(aps_pool, filter_size=3)
    assert count_failures(alone, shortcut, (index % 2, index // 2))[0] > 0


@generated(maps(), STRIDES)
def test_unpool_puts_the_component_back(x, stride):
    def there_and_back(x):
        index = aps_index(x, stride=stride)
        y = aps_pool(x, stride=stride, index=index)
        whole = aps_unpool(y, index, stride=stride)
        back = aps_unpool(y, index, stride=stride, size=x.shape[1:3])
        return index, y, aps_pool(whole, stride=stride, index=index), back

    index, y, again, back = jax.jit(there_and_back)(x)
    np.testing.assert_array_equal(again, y)
    keep = np.zeros(x.shape, bool)
    for b, k in enumerate(index.tolist()):
        keep[b, k % stride[0] :: stride[0], k // stride[0] :: stride[1]] = True
    np.testing.assert_array_equal(back, np.where(keep, x, 0))


GRADIENTS = {
    'aps': lambda x: aps_pool(x),
    'blurred': lambda x: aps_pool(x, filter_size=3, stride=(2, 3), select_on='blurred'),
    'reflect': lambda x: aps_pool(x, filter_size=4, padding='reflect'),
    'stride 1': lambda x: aps_pool(x, filter_size=2, stride=1),
    'unpool': lambda x: aps_unpool(x, jnp.array([1, 2]), size=(9, 8)),
}
SHAPE = (2, 5, 4, 2)


@pytest.mark.parametrize('name', GRADIENTS)
def test_gradient_is_that_of_finite_differences(name):
    check_gradient(GRADIENTS[name], SHAPE)


@pytest.mark.parametrize('name', GRADIENTS)
def test_no_gather_no_scatter_and_jit_vmap_agree_with_eager(name):
    check_compiled(GRADIENTS[name], SHAPE)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@pytest.mark.parametrize('name', ['aps', 'blurred', 'unpool'])
def test_dtype_is_kept_forward_and_backward(name, dtype):
    check_dtype(GRADIENTS[name], SHAPE, dtype)


def test_half_precision_norms_do_not_overflow():
    x = jnp.full((1, 32, 32, 8), 40.0, jnp.float16).at[0, 1::2, ::2].set(41)
    assert aps_index(x).tolist() == aps_index(x, norm='l1').tolist() == [1]


@pytest.mark.parametrize('position', [(0, 0), (1, 0), (4, 3), (1, 3)])
def test_nan_in_nan_out(position):
    x = normal(1, 5, 4, 2).at[(0, *position, 1)].set(jnp.nan)
    for norm, filter_size in zip(NORMS, (1, 3, 2), strict=True):
        assert jnp.isnan(aps_pool(x, norm=norm, filter_size=filter_size)).any()


def test_what_is_not_chosen_does_not_matter():
    x, index = normal(1, 4, 4, 1), jnp.array([1])
    bad = x.at[0, 0, 1].set(1e30)
    np.testing.assert_array_equal(aps_pool(bad, index=index), aps_pool(x, index=index))


X = jnp.zeros((2, 4, 4, 1))


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda: aps_pool(jnp.zeros((1, 4, 1))), 'aps_pool is 2-D only'),
        (lambda: aps_pool(jnp.zeros((1, 4, 4, 1), jnp.int32)), 'x must hold floats'),
        (lambda: aps_pool(jnp.zeros((1, 0, 4, 1))), 'x must not be empty'),
        (lambda: aps_pool(X, stride=0), 'stride must be an int of at least 1; got 0'),
        (lambda: aps_pool(X, filter_size=8), 'filter_size must be an int from 1 to 7; got 8'),
        (lambda: aps_pool(X, filter_size=5), 'circular padding needs a map at least as large'),
        (lambda: aps_pool(X, padding='mirror'), "padding must be one of .* got 'mirror'"),
        (lambda: aps_pool(X, norm='l3'), "norm must be 'l1', 'l2' or 'max'; got 'l3'"),
        (lambda: aps_pool(X, select_on='both'), "select_on must be .* got 'both'"),
        (lambda: aps_pool(X, index=jnp.zeros(3, int)), 'index must be an integer for each of 2'),
        (lambda: aps_pool(X, index=jnp.zeros(2)), 'index must be an integer'),
        (lambda: aps_index(jnp.zeros((1, 4, 1))), 'aps_index is 2-D only'),
        (lambda: aps_unpool(X, jnp.zeros(2, int), size=(7, 6)), 'size .* must become'),
    ],
)
def test_bad_arguments_say_what_is_allowed(call, said, unchecked):
    with pytest.raises(ValueError, match=said) as error:
        call()
    assert '\n' not in str(error.value)
