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
    channels, features = draw(st.sampled_from([1, 1, 3])), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = rng.normal(size=(draw(st.integers(1, 2)), *size, channels)).astype(np.float32)
    kernel = rng.normal(size=(*window, channels, features)).astype(np.float32)
    return x, kernel, stride, pairs


@settings(max_examples=40, deadline=None)
@given(conv_cases())
def test_conv_and_its_gradients(case):
    x, kernel, stride, pairs = case

    def ours(x, kernel):
        return ops.conv(x, kernel, stride=stride, padding=pairs)

    def by_lax(x, kernel):
        return lax.conv_general_dilated(
            x, kernel, stride, pairs, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )

    def with_gradients(conv):
        y, pullback = jax.vjp(conv, jnp.asarray(x), jnp.asarray(kernel))
        return y, pullback(y)

    y, ours_gradients = jax.jit(lambda: with_gradients(ours))()
    expected = oracles.conv(x.astype(np.float64), kernel.astype(np.float64), stride, pairs)
    np.testing.assert_allclose(y, expected, atol=2e-5)
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
