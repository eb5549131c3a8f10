"""Strategies that contain convolutions, against slow loops over their definitions."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops
from cnn_jax.layers import Downsample
from cnn_jax.strategies import HWD, ADown, SCDown, SPDConv, Strategy

EPSILON = 1e-5
SIZES = ((4, 6), (5, 7), (8, 3))


def applied(strategy: Strategy, x: np.ndarray) -> tuple[np.ndarray, dict]:
    """The layer's output in evaluation, with drawn weights and statistics, and these as NumPy."""
    layer = Downsample(strategy)
    variables = layer.init(jax.random.key(0), jnp.asarray(x), train=False)
    draw = np.random.default_rng(1)
    flat, tree = jax.tree.flatten(variables)
    drawn = [jnp.asarray(draw.uniform(0.5, 1.5, leaf.shape), jnp.float32) for leaf in flat]
    signed = [
        d * jnp.asarray(draw.choice([-1.0, 1.0], d.shape)) if d.ndim == 4 else d for d in drawn
    ]
    variables = jax.tree.unflatten(tree, signed)
    y = layer.apply(variables, jnp.asarray(x), train=False)
    return np.asarray(y), jax.tree.map(lambda a: np.asarray(a, np.float64), variables)


def conv(x, kernel, stride, pad, groups=1):
    """A correlation in float64 loops."""
    x = np.pad(np.asarray(x, np.float64), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    k = kernel.shape[0]
    out = [(n - k) // stride + 1 for n in x.shape[1:3]]
    y = np.zeros((len(x), *out, kernel.shape[3]))
    each_in, each_out = x.shape[-1] // groups, kernel.shape[3] // groups
    for i, j, f in np.ndindex(*out, kernel.shape[3]):
        group = f // each_out
        part = x[:, i * stride : i * stride + k, j * stride : j * stride + k]
        part = part[..., group * each_in : (group + 1) * each_in]
        y[:, i, j, f] = (part * kernel[..., f]).sum((1, 2, 3))
    return y


def norm(y, variables, name):
    p, s = variables['params'][name], variables['batch_stats'][name]
    return (y - s['mean']) / np.sqrt(s['var'] + EPSILON) * p['scale'] + p['bias']


def silu(y):
    return y / (1 + np.exp(-y))


def blocks(x):
    """Space to depth, filled up with zeros: places of a 2x2 block, rows first, then channels."""
    n, h, w, c = x.shape
    out = np.zeros((n, -(-h // 2), -(-w // 2), 4 * c))
    for i, j in np.ndindex(h, w):
        place = 2 * (i % 2) + j % 2
        out[:, i // 2, j // 2, place * c : (place + 1) * c] = x[:, i, j]
    return out


@pytest.fixture(params=SIZES, ids=str)
def x(request) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(2, *request.param, 5)).astype(np.float32)


@pytest.mark.parametrize('size', [1, 3])
def test_spd_conv(x, size: int):
    y, variables = applied(SPDConv(kernel_size=size), x)
    kernel = variables['params']['conv']['kernel']
    expected = silu(norm(conv(blocks(x), kernel, 1, size // 2), variables, 'norm'))
    np.testing.assert_allclose(y, expected, rtol=2e-4, atol=2e-4)


def test_haar(x):
    y, variables = applied(HWD(), x)
    parts = blocks(x)
    a, b, c, d = np.split(parts, 4, axis=-1)
    bands = np.concatenate([a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d], -1) / 2
    expected = norm(conv(bands, variables['params']['conv']['kernel'], 1, 0), variables, 'norm')
    np.testing.assert_allclose(y, np.maximum(expected, 0), rtol=2e-4, atol=2e-4)


def test_adown(x):
    y, variables = applied(ADown(), x)
    weights = variables['params']
    mean = (x[:, :-1, :-1] + x[:, 1:, :-1] + x[:, :-1, 1:] + x[:, 1:, 1:]) / 4
    one = norm(conv(mean[..., :2], weights['conv1']['kernel'], 2, 1), variables, 'norm1')
    padded = np.pad(mean[..., 2:], ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    most = np.stack(
        [
            np.stack(
                [
                    padded[:, i : i + 3, j : j + 3].max((1, 2))
                    for j in range(0, padded.shape[2] - 2, 2)
                ],
                1,
            )
            for i in range(0, padded.shape[1] - 2, 2)
        ],
        1,
    )
    other = norm(conv(most, weights['conv2']['kernel'], 1, 0), variables, 'norm2')
    expected = silu(np.concatenate([one, other], -1))
    np.testing.assert_allclose(y, expected, rtol=2e-4, atol=2e-4)


def test_scdown(x):
    y, variables = applied(SCDown(), x)
    weights = variables['params']
    mixed = silu(norm(conv(x, weights['conv1']['kernel'], 1, 0), variables, 'norm1'))
    expected = norm(conv(mixed, weights['conv2']['kernel'], 2, 1, groups=5), variables, 'norm2')
    np.testing.assert_allclose(y, expected, rtol=2e-4, atol=2e-4)


def test_haar_and_space_to_depth_with_a_1x1_convolution_are_one_class_of_functions(x):
    """A kernel for the bands is, turned by the transform, one for the blocks, and back."""
    kernel = np.random.default_rng(2).normal(size=(20, 7)).astype(np.float32)
    eye = np.eye(20, dtype=np.float32).reshape(20, 1, 1, 20)
    turn = np.asarray(ops.haar_bands(jnp.asarray(eye.reshape(20, 2, 2, 5)))).reshape(20, 20)
    np.testing.assert_allclose(turn @ turn.T, np.eye(20), atol=1e-6)  # orthogonal
    by_bands = np.asarray(ops.haar_bands(jnp.asarray(x))) @ kernel
    by_blocks = np.asarray(ops.space_to_depth(jnp.asarray(x))) @ (turn @ kernel)
    np.testing.assert_allclose(by_bands, by_blocks, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('rank', [1, 2, 3])
def test_the_low_band_of_haar_is_a_scaled_average(rank: int):
    x = np.random.default_rng(rank).normal(size=(2, *(6,) * rank, 3)).astype(np.float32)
    low = ops.haar_bands(jnp.asarray(x))[..., :3]
    average = ops.avg_pool(jnp.asarray(x), window=2)
    np.testing.assert_allclose(low, 2 ** (rank / 2) * average, rtol=1e-5, atol=1e-6)
    blurred = ops.blur_pool(jnp.asarray(x), filter_size=ops.wavelet_filter('haar'))
    np.testing.assert_allclose(blurred, average, rtol=1e-5, atol=1e-6)
