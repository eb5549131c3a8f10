"""Blur pooling against antialiased-cnns and kornia."""

import antialiased_cnns
import numpy as np
from hypothesis import strategies as st
from kornia import filters

from cnn_jax import ops
from tests.cases import compiled, generated, maps
from tests.peers.test_torch import channels_first, channels_last

filter_sizes, strides = st.integers(1, 7), st.integers(1, 4)
THEIR_NAMES = {'reflect': 'reflect', 'replicate': 'repl', 'zero': 'zero'}


@generated(maps(least=4, most=16), filter_sizes, strides, st.sampled_from(sorted(THEIR_NAMES)))
def test_blur_pool_is_antialiased_cnns(x, filter_size, stride, fill):
    theirs = antialiased_cnns.BlurPool(
        x.shape[-1], pad_type=THEIR_NAMES[fill], filt_size=filter_size, stride=stride
    )
    expected = channels_last(theirs(channels_first(x)))
    y = compiled(ops.blur_pool, x, filter_size=filter_size, stride=stride, padding=fill)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(maps(rank=1, least=4, most=20), filter_sizes, strides)
def test_blur_pool_in_one_dimension_is_antialiased_cnns(x, filter_size, stride):
    theirs = antialiased_cnns.BlurPool1D(x.shape[-1], filt_size=filter_size, stride=stride)
    expected = channels_last(theirs(channels_first(x)))
    y = compiled(ops.blur_pool, x, filter_size=filter_size, stride=stride)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(maps(most=16), filter_sizes, strides)
def test_blur_pool_with_zeros_is_kornia(x, filter_size, stride):
    expected = channels_last(filters.blur_pool2d(channels_first(x), filter_size, stride))
    y = compiled(ops.blur_pool, x, filter_size=filter_size, stride=stride, padding='zero')
    np.testing.assert_allclose(y, expected, atol=1e-5)


@generated(maps(least=3, most=16), filter_sizes, strides, st.integers(1, 3))
def test_max_blur_pool_with_zeros_is_kornia(x, filter_size, stride, window):
    theirs = filters.max_blur_pool2d(channels_first(x), filter_size, stride, window)
    y = compiled(
        ops.max_blur_pool,
        x,
        window=window,
        filter_size=filter_size,
        stride=stride,
        padding='zero',
    )
    np.testing.assert_allclose(y, channels_last(theirs), atol=1e-5)
