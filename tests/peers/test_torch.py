"""Ops against torch's, over generated sizes, windows, strides, padding and rounding."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from torch.nn import functional

from cnn_jax import ops
from tests.cases import compiled, draw_values, generated, maps

MAX = (None, functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)
AVG = (None, functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def channels_last(y: torch.Tensor) -> np.ndarray:
    return np.moveaxis(y.numpy(), 1, -1)


class Case(NamedTuple):
    x: np.ndarray
    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    ceil_mode: bool

    def ours(self, op, **options) -> np.ndarray:
        pairs = tuple((p, p) for p in self.padding)
        return np.asarray(
            compiled(
                op,
                self.x,
                window=self.window,
                stride=self.stride,
                padding=pairs,
                ceil_mode=self.ceil_mode,
                **options,
            )
        )

    def theirs(self, op, **options) -> np.ndarray:
        y = op(
            channels_first(self.x),
            self.window,
            self.stride,
            self.padding,
            ceil_mode=self.ceil_mode,
            **options,
        )
        return channels_last(y)


@st.composite
def torch_cases(draw):
    rank = draw(st.integers(1, 3))
    limit = {1: 17, 2: 11, 3: 6}[rank]
    window = tuple(draw(st.integers(1, min(7, limit))) for _ in range(rank))
    stride = tuple(draw(st.integers(1, 4)) for _ in range(rank))
    padding = tuple(draw(st.integers(0, k // 2)) for k in window)
    size = [draw(st.integers(k, max(k, limit))) for k in window]
    x = draw_values(draw, (draw(st.integers(1, 2)), *size, draw(st.integers(1, 3))))
    return Case(x, window, stride, padding, draw(st.booleans()))


@generated(torch_cases())
def test_max_pool(case):
    theirs = case.theirs(MAX[case.x.ndim - 2])
    np.testing.assert_array_equal(case.ours(ops.max_pool), theirs)


@generated(torch_cases(), st.booleans())
def test_avg_pool(case, count):
    theirs = case.theirs(AVG[case.x.ndim - 2], count_include_pad=count)
    ours = case.ours(ops.avg_pool, fill='zero' if count else None)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@generated(torch_cases(), st.sampled_from([1, 2, 3]))
def test_lp_pool_is_the_sum_form_of_positive_inputs(case, p):
    torch_lp = (None, functional.lp_pool1d, functional.lp_pool2d, functional.lp_pool3d)
    case = case._replace(x=np.abs(case.x) + 0.01, padding=(0,) * len(case.padding), ceil_mode=False)
    rank = case.x.ndim - 2
    window = case.window if rank > 1 else case.window[0]  # torch's 1-D form takes an int only
    theirs = torch_lp[rank](channels_first(case.x), float(p), window, case.stride)
    np.testing.assert_allclose(
        case.ours(ops.lp_pool, p=p, form='sum'), channels_last(theirs), atol=1e-5, rtol=1e-5
    )


sizes = st.tuples(st.integers(1, 14), st.integers(1, 14))


@generated(maps(), sizes)
def test_adaptive_pools(x, size):
    for ours, theirs in (
        (ops.adaptive_avg_pool, functional.adaptive_avg_pool2d),
        (ops.adaptive_max_pool, functional.adaptive_max_pool2d),
    ):
        expected = channels_last(theirs(channels_first(x), size))
        np.testing.assert_allclose(compiled(ours, x, size=size), expected, atol=1e-5)


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_space_to_depth_is_pixel_unshuffle_with_the_channel_last(stride):
    x = np.random.default_rng(0).normal(size=(2, 6, 12, 3)).astype(np.float32)
    theirs = channels_last(functional.pixel_unshuffle(channels_first(x), stride))
    theirs = theirs.reshape(*theirs.shape[:3], 3, stride**2).swapaxes(3, 4).reshape(theirs.shape)
    np.testing.assert_array_equal(ops.space_to_depth(jnp.asarray(x), stride=stride), theirs)


@pytest.mark.parametrize('op, torch_op', [(ops.max_pool, MAX[2]), (ops.avg_pool, AVG[2])])
@pytest.mark.parametrize('window, stride', [(2, 2), (3, 2), (3, 1), (2, 3)])
def test_gradients_with_ties(op, torch_op, window, stride):
    import jax

    x = np.random.default_rng(0).integers(-2, 3, (2, 9, 8, 3)).astype(np.float32)
    leaf = channels_first(x).requires_grad_()
    y = torch_op(leaf, window, stride)
    g = np.random.default_rng(1).normal(size=channels_last(y.detach()).shape).astype(np.float32)
    y.backward(channels_first(g))
    g = jnp.asarray(g)
    (dx,) = jax.vjp(lambda x: op(x, window=window, stride=stride), jnp.asarray(x))[1](g)
    np.testing.assert_allclose(dx, channels_last(leaf.grad), atol=1e-5)


@generated(torch_cases(), st.integers(0, 2**16))
def test_fractional_max_pool(case, seed):
    x = np.resize(case.x, (2, 9, 7, 2))
    window = [1 + k % 3 for k in (*case.window, 1)][:2]
    most = [n - k + 1 for n, k in zip(x.shape[1:3], window, strict=True)]
    size = [1 + seed % most[0], 1 + seed // 7 % most[1]]
    samples = np.random.default_rng(seed).random((2, 2, 2), np.float32)
    across = torch.from_numpy(samples[..., ::-1].copy())  # torch has the columns first
    theirs = functional.fractional_max_pool2d(
        channels_first(x), window, output_size=size, _random_samples=across
    )
    places = {'samples': jnp.asarray(samples), 'window': window, 'size': size}
    ours = compiled(ops.fractional_max_pool, x, **places)
    np.testing.assert_array_equal(ours, channels_last(theirs))
