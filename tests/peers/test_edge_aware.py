"""Edge-aware blur against kornia, where kornia is defined: maps from 3x3, no negative values."""

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from kornia.filters import edge_aware_blur_pool2d

from cnn_jax.ops.adaptive_blur import edge_aware_blur
from tests.cases import compiled, generated, maps
from tests.oracles import adaptive_blur as oracles
from tests.peers.test_torch import channels_first, channels_last


@generated(
    maps(least=3, most=16),
    st.integers(1, 7),
    st.sampled_from([1.1, 1.25, 2.5]),
    st.sampled_from([1, 3, 5]),
    st.sampled_from([1e-6, 1e-2]),
    st.sampled_from([0.0, 1.0]),
)
def test_edge_aware_blur_is_kornia(x, filter_size, threshold, dilation, eps, least):
    x = np.abs(x) + np.float32(least)
    oracle = oracles.edge_aware_blur(
        x.astype(np.float64), filter_size, threshold, dilation, eps, 'reflect'
    )
    assume(oracle[1] > 1e-4)  # either may decide the other way on an edge at the threshold
    theirs = edge_aware_blur_pool2d(channels_first(x), filter_size, threshold, dilation, eps)
    y = compiled(
        edge_aware_blur,
        x,
        filter_size=filter_size,
        edge_threshold=threshold,
        edge_dilation=dilation,
        eps=eps,
    )
    np.testing.assert_allclose(y, channels_last(theirs), atol=1e-5)
