"""conv against float64 loops and lax, for both of its formulations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from cnn_jax import ops
from tests.oracles import plain as oracles


@st.composite
def conv_cases(draw):
    window = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    stride = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3)]))
    pairs = tuple((draw(st.integers(0, 3)), draw(st.integers(0, 3))) for _ in window)
    size = tuple(
        draw(st.integers(max(1, k - low - high), 13))
        for k, (low, high) in zip(window, pairs, strict=True)
    )
    groups = draw(st.sampled_from([1, 1, 2, 6, 20]))
    channels = draw(st.sampled_from([1, 1, 3]))  # of a group
    features = groups * draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(1, 2)), *size, groups * channels
    x = rng.normal(size=shape).astype(np.float32)
    kernel = rng.normal(size=(*window, channels, features)).astype(np.float32)
    return x, kernel, stride, pairs, groups


def square_case(batch, height, width, channels, features, pairs):
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(batch, height, width, channels)).astype(np.float32)
    kernel = rng.normal(scale=0.04, size=(3, 3, channels, features)).astype(np.float32)
    return x, kernel, (1, 1), pairs, 1


SAME, UNEVEN = ((1, 1), (1, 1)), ((0, 2), (3, 1))
SQUARES = [(1, 14, 14, 64, 64, SAME), (4, 15, 17, 64, 65, UNEVEN), (3, 16, 14, 128, 64, SAME)]


@pytest.mark.parametrize('case', SQUARES)
def test_the_square_product_is_the_gradient_of_the_kernel(case):
    case = square_case(*case)
    check_conv(case)
    x, kernel, _, pairs, _ = case

    def loss(kernel):
        return ops.conv(jnp.asarray(x), kernel, padding=pairs).sum()

    text = str(jax.make_jaxpr(jax.grad(loss))(jnp.asarray(kernel)))
    assert 'dot_general' in text


@settings(max_examples=40, deadline=None)
@given(conv_cases())
def test_conv_and_its_gradients(case):
    check_conv(case)


def check_conv(case):
    """Against float64 loops, and its gradients against lax's."""
    x, kernel, stride, pairs, groups = case

    def ours(x, kernel):
        return ops.conv(x, kernel, stride=stride, padding=pairs, groups=groups)

    def by_lax(x, kernel):
        return lax.conv_general_dilated(
            x,
            kernel,
            stride,
            pairs,
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=groups,
        )

    def with_gradients(conv):
        y, pullback = jax.vjp(conv, jnp.asarray(x), jnp.asarray(kernel))
        return y, pullback(y)

    y, ours_gradients = jax.jit(lambda: with_gradients(ours))()
    runs = np.split(x.astype(np.float64), groups, -1), np.split(kernel, groups, -1)
    expected = np.concatenate(
        [oracles.conv(a, b.astype(np.float64), stride, pairs) for a, b in zip(*runs, strict=True)],
        -1,
    )
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=2e-5)
    _, lax_gradients = jax.jit(lambda: with_gradients(by_lax))()
    for ours_gradient, lax_gradient in zip(ours_gradients, lax_gradients, strict=True):
        np.testing.assert_allclose(ours_gradient, lax_gradient, atol=1e-3, rtol=1e-4)


def test_one_channel_on_a_cpu_is_a_matrix_product():
    """Guards the formulation: the compiled first layer holds a dot and no convolution."""
    x, kernel = jnp.zeros((2, 28, 28, 1)), jnp.zeros((5, 5, 1, 16))
    text = jax.jit(ops.conv).lower(x, kernel).compile().as_text()
    is_cpu = jax.default_backend() == 'cpu'
    assert text is not None and ('convolution(' not in text) == is_cpu


@pytest.mark.parametrize(
    'x, kernel, said',
    [
        ((1, 8, 8, 2), (3, 3, 3, 4), 'equal channels'),
        ((1, 8, 2), (3, 3, 2, 4), 'equal channels'),
    ],
)
def test_shapes_that_do_not_match_are_refused(x, kernel, said, unchecked):
    with pytest.raises(ValueError, match=said):
        ops.conv(jnp.zeros(x), jnp.zeros(kernel))


def test_a_kernel_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match='larger than the feature map'):
        ops.conv(jnp.zeros((1, 3, 3, 1)), jnp.zeros((5, 5, 1, 1)), padding='valid')
