"""Size arithmetic: both forms, counted by hand, and what strict refuses."""

import jax
import jax.numpy as jnp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_jax import ops
from cnn_jax.layers import Conv

SIZES = st.integers(1, 300)
WINDOWS = st.integers(1, 11)
STRIDES = st.integers(1, 5)
PADS = st.tuples(st.integers(0, 5), st.integers(0, 5))


def positions(size: int, window: int, stride: int, pair: tuple[int, int]) -> int:
    """How many windows fit, moved one by one."""
    return len(range(0, size + sum(pair) - window + 1, stride))


@given(SIZES, WINDOWS, STRIDES, PADS)
def test_both_forms_count_the_positions_of_the_window(n, k, s, pair):
    options = {'window': k, 'stride': s, 'padding': (pair,)}
    count = positions(n, k, s, pair)
    if count == 0:
        with pytest.raises(ValueError, match='larger than the feature map'):
            ops.output_size(n, **options)
        return
    assert ops.output_size(n, **options) == (count,)
    assert count == -(-(n + sum(pair) - (k - 1)) // s)


@given(SIZES, WINDOWS)
def test_same_keeps_the_size_and_pads_even_windows_more_on_the_high_side(n, k):
    assert ops.output_size(n, window=k, stride=1, padding='same') == (n,)
    low, high = (k - 1) // 2, k // 2
    assert ops.output_size(n, window=k, stride=1, padding=((low, high),)) == (n,)


@given(SIZES, WINDOWS, STRIDES, PADS)
def test_strict_refuses_exactly_what_leaves_elements_over_and_its_advice_fits(n, k, s, pair):
    options = {'window': k, 'stride': s, 'padding': (pair,)}
    if positions(n, k, s, pair) == 0:
        return
    try:
        out = ops.output_size(n, **options, strict=True)
    except ValueError as error:
        assert (n + sum(pair) - k) % s
        below, above = (int(w) for w in str(error).split('are ')[1].split(' and '))
        assert below < n < above and above - below == s
        for size in (below, above):
            if size + sum(pair) >= k and size >= 1:
                ops.output_size(size, **options, strict=True)
    else:
        assert (n + sum(pair) - k) % s == 0 and out == ops.output_size(n, **options)


def test_known_sizes():
    assert ops.output_size(227, window=11, stride=4, strict=True) == (55,)
    with pytest.raises(ValueError, match=r'4\.5 positions; the nearest .* are 9 and 11'):
        ops.output_size(10, window=3, stride=2, strict=True)
    with pytest.raises(ValueError, match='does not fit size 224.* are 223 and 227'):
        ops.output_size(224, window=11, stride=4, strict=True)
    x, kernel = jnp.ones((1, 10, 10, 1)), jnp.ones((3, 3, 1, 1))
    with pytest.raises(ValueError, match='are 9 and 11'):
        ops.conv(x, kernel, stride=2, padding='valid', strict=True)


@pytest.mark.parametrize('groups, bias', [(1, True), (1, False), (4, True)])
def test_parameters_of_a_convolution(groups, bias):
    layer = Conv(8, 3, groups=groups, use_bias=bias)
    variables = layer.init(jax.random.key(0), jnp.ones((1, 5, 5, 4)))
    count = sum(p.size for p in jax.tree.leaves(variables))
    options = {'channels': 4, 'features': 8, 'groups': groups, 'bias': bias}
    assert ops.conv_parameters(3, **options) == ops.conv_parameters((3, 3), **options) == count


def test_groups_must_divide():
    with pytest.raises(ValueError, match='groups must divide 6 channels and 8 features; got 4'):
        ops.conv_parameters(3, channels=6, features=8, groups=4)
