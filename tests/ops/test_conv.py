"""conv against float64 loops and lax, for all of its formulations."""

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


def form_case(batch, size, channels, features, window=3, stride=1, pairs=None):
    rng = np.random.default_rng(batch)
    x = rng.normal(size=(batch, *size, channels)).astype(np.float32)
    scale = 1 / np.sqrt(window**2 * channels)
    kernel = rng.normal(scale=scale, size=(window, window, channels, features)).astype(np.float32)
    low = (window - 1) // 2
    return x, kernel, (stride, stride), pairs or ((low, low), (low, low)), 1


UNEVEN = ((0, 2), (3, 1))
FORMS = {  # none of them leaves a convolution in the compiled program
    'tiles': form_case(1, (14, 14), 64, 64),
    'tiles, odd': form_case(4, (15, 17), 64, 65, pairs=UNEVEN),
    'tiles, no padding': form_case(3, (16, 14), 128, 64, pairs=((0, 0), (0, 0))),
    'tiles, wide padding': form_case(3, (7, 8), 64, 64, pairs=((4, 3), (2, 5))),
    'tiles, a few images at a time': form_case(16, (32, 32), 64, 64),
    'columns': form_case(1, (30, 29), 64, 65, stride=2),
    'columns of one': form_case(2, (9, 8), 3, 5, window=1, stride=2),
    'columns of one, no stride': form_case(2, (9, 8), 3, 5, window=1, pairs=UNEVEN),
    'positions': form_case(3, (2, 2), 5, 4),
    'positions of one': form_case(3, (1, 1), 5, 4, window=5),
    'positions, strided': form_case(2, (3, 4), 3, 2, window=5, stride=2, pairs=UNEVEN),
    'blocks': form_case(2, (8, 12), 1, 3, window=5),
}


@pytest.mark.parametrize('case', FORMS.values(), ids=FORMS)
def test_forms_of_their_own(case):
    check_conv(case)
    x, kernel, stride, pairs, _ = case

    def conv(x, kernel):
        return ops.conv(x, kernel, stride=stride, padding=pairs)

    def value_and_gradients(x, kernel):
        y, pullback = jax.vjp(conv, x, kernel)
        return pullback(y)

    text = jax.jit(value_and_gradients).lower(x, kernel).compile().as_text()
    is_cpu = jax.default_backend() == 'cpu'
    assert text is not None and ('convolution(' not in text) == is_cpu
    y, tangent = jax.jvp(lambda k: conv(jnp.asarray(x), k), (kernel,), (kernel,))
    np.testing.assert_allclose(tangent, y, atol=1e-5)  # forward mode: conv is linear


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
