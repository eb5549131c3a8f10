"""Every upsampling against float64 loops, finite differences, and under jit and vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops
from cnn_jax.ops.windows import FILLS
from tests.oracles import plain
from tests.oracles import upsampling as oracles

SHAPES = [((5,), (2,)), ((1, 4), (3, 2)), ((3, 2, 1), (2, 1, 4))]  # size, factor


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize('size, factor', SHAPES)
def test_interpolations_are_the_oracles(size, factor):
    x = draw(2, *size, 2)
    wide = np.asarray(x, np.float64)
    np.testing.assert_array_equal(
        ops.upsample_nearest(x, factor=factor), oracles.nearest(wide, factor)
    )
    for number, fill in enumerate(FILLS):
        y = ops.upsample_bilinear(x, factor=factor, padding=fill)
        np.testing.assert_allclose(y, oracles.bilinear(wide, factor, fill), atol=1e-6)
        k = (2, 3, 4, 7)[number]
        y = ops.upsample_blur(x, factor=factor, filter_size=k, padding=fill)
        np.testing.assert_allclose(y, oracles.blur(wide, factor, k, fill), atol=1e-6)


def test_blur_up_of_2_taps_is_nearest_and_any_filter_keeps_constants():
    x = draw(1, 3, 4, 2)
    np.testing.assert_array_equal(ops.upsample_blur(x, filter_size=2), ops.upsample_nearest(x))
    for k in range(2, 8):
        y = ops.upsample_blur(jnp.full((1, 3, 5, 1), 3.0), filter_size=k)
        np.testing.assert_allclose(y, 3.0, rtol=1e-6)


def test_blur_up_is_the_adjoint_of_blur_pool():
    x, y = draw(1, 8, 6, 2), draw(1, 4, 3, 2)
    for k in (3, 4):
        down = ops.blur_pool(x, filter_size=k, padding='circular')
        up = ops.upsample_blur(y, filter_size=k, padding='circular')
        np.testing.assert_allclose(4 * (down * y).sum(), (x * up).sum(), rtol=1e-5)


@pytest.mark.parametrize('stride, size', [((2, 2), (7, 6)), ((3, 2), (9, 4))])
def test_polyphase_upsampling_is_the_oracle(stride, size):
    out = tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    y, phases = draw(4, *out, 2), stride[0] * stride[1]
    index = jnp.arange(4) % phases
    weights = jnp.abs(draw(4, phases, seed=1))
    for fill, k in zip(FILLS, (2, 3, 5, 4), strict=True):
        options = {'stride': stride, 'filter_size': k, 'padding': fill, 'size': size}
        placed, mixed = np.zeros((2, 4, *size, 2))
        for b in range(4):
            column, row = divmod(int(index[b]), stride[0])
            target = placed[b, row :: stride[0], column :: stride[1]]
            target[:] = y[b, : target.shape[0], : target.shape[1]]
            for phase in range(phases):
                target = mixed[b, phase // stride[1] :: stride[0], phase % stride[1] :: stride[1]]
                target[:] = weights[b, phase] * y[b, : target.shape[0], : target.shape[1]]
        found = ops.aps_upsample(y, index, **options)
        np.testing.assert_allclose(found, oracles.smooth(placed, stride, k, fill), atol=1e-5)
        found = ops.lps_upsample(y, weights, **options)
        np.testing.assert_allclose(found, oracles.smooth(mixed, stride, k, fill), atol=1e-5)


def test_down_and_up_by_aps_commutes_with_every_circular_shift():
    x = np.random.default_rng(3).normal(size=(6, 4, 3)).astype(np.float32)

    @jax.jit
    def there_and_back(x):
        index = ops.aps_index(x)
        return ops.aps_upsample(ops.aps_pool(x, filter_size=3, index=index), index)

    shifts = list(np.ndindex(6, 4))
    y = np.asarray(there_and_back(np.stack([np.roll(x, shift, (0, 1)) for shift in shifts])))
    back = [np.roll(each, (-a, -b), (0, 1)) for each, (a, b) in zip(y, shifts, strict=True)]
    np.testing.assert_allclose(back, [back[0]] * len(back), atol=1e-5)


TRANSPOSED = [((2, 2), (2, 2)), ((4, 3), (2, 2)), ((3, 5), (1, 3)), ((1, 2), (2, 3))]


@pytest.mark.parametrize('window, stride', TRANSPOSED)
def test_transposed_convolution_is_the_oracle(window, stride):
    x, kernel = draw(2, 3, 4, 2), draw(*window, 2, 3, seed=1)
    whole = oracles.conv_transpose(np.asarray(x, np.float64), kernel, stride)
    y = ops.conv_transpose(x, kernel, stride=stride, padding='valid')
    np.testing.assert_allclose(y, whole, atol=1e-5)
    if min(np.subtract(window, stride)) < 0:
        with pytest.raises(ValueError, match="'same' needs a window of at least the stride"):
            ops.conv_transpose(x, kernel, stride=stride)
        return
    low = [(k - s) // 2 for k, s in zip(window, stride, strict=True)]
    same = whole[:, low[0] :, low[1] :][:, : 3 * stride[0], : 4 * stride[1]]
    y = ops.conv_transpose(x, kernel, stride=stride)
    np.testing.assert_allclose(y, same, atol=1e-5)
    around = plain.pad(np.asarray(x), [(3, 3), (3, 3)], 'circular')
    whole = oracles.conv_transpose(around, kernel, stride)
    start = [3 * s + n for s, n in zip(stride, low, strict=True)]
    same = whole[:, start[0] :, start[1] :][:, : 3 * stride[0], : 4 * stride[1]]
    y = ops.conv_transpose(x, kernel, stride=stride, fill='circular')
    np.testing.assert_allclose(y, same, atol=1e-5)


def test_a_transposed_convolution_with_the_bilinear_kernel_interpolates():
    x = draw(1, 4, 5, 2)
    for factor in (2, 4):
        kernel = jnp.asarray(ops.bilinear_kernel(2 * factor, 2), jnp.float32)
        y = ops.conv_transpose(x, kernel, stride=factor)
        expected = ops.upsample_bilinear(x, factor=factor, padding='zero')
        np.testing.assert_allclose(y, expected, atol=1e-6)


def test_transposed_convolutions_refuse_what_does_not_fit(unchecked):
    x = jnp.ones((1, 2, 2, 3))
    with pytest.raises(ValueError, match=r'kernel must be .* the 3 channels of x; got \(2, 2, 1'):
        ops.conv_transpose(x, jnp.ones((2, 2, 1, 3)))
    with pytest.raises(ValueError, match='padding must leave an element'):
        ops.conv_transpose(x, jnp.ones((2, 2, 3, 1)), padding=((2, 2), (0, 0)))


@pytest.mark.parametrize('size', [(7,), (4, 5), (2, 3, 1)])
def test_soft_argmax_is_the_oracle_and_huge_values_do_not_overflow(size):
    x = 3 * draw(2, *size, 3)
    wide = np.asarray(x, np.float64)
    np.testing.assert_allclose(ops.soft_argmax(x), oracles.soft_argmax(wide), atol=1e-5)
    np.testing.assert_allclose(
        ops.soft_argmax(1e30 * x), oracles.soft_argmax(1e30 * wide), atol=1e-6
    )


MAP = (2, 3, 2, 2)
PROGRAMS = {  # the others are in tests/ops/programs.py
    'nearest': ops.upsample_nearest,
    'bilinear': ops.upsample_bilinear,
    'aps': lambda x: ops.aps_upsample(x, jnp.array([2, 1])),
    'lps': lambda x: ops.lps_upsample(x, jnp.array([[0.5, 0.1, 0.4, 0], [0, 0, 1, 0]])),
}


@pytest.mark.parametrize('name', PROGRAMS)
def test_gradients_vmap_and_narrow_floats(name):
    op = PROGRAMS[name]
    x, step = draw(*MAP), 1e-2

    def loss(x):
        return jnp.sin(op(x)).sum()

    def all_at_once(x):
        pair = jnp.stack([x, 2 * x])
        return jax.vmap(op)(pair), op(x), op(2 * x), jax.grad(loss)(x)

    together, one, two, gradient = jax.jit(all_at_once)(x)
    np.testing.assert_allclose(together, jnp.stack([one, two]), atol=1e-6)
    np.testing.assert_allclose(one, op(jnp.asarray(x)), atol=1e-6)
    steps = step * np.concatenate([np.eye(x.size), -np.eye(x.size)]).reshape(-1, *MAP)
    moved = (np.asarray(x) + steps).astype(np.float32)
    losses = np.asarray(jax.jit(jax.vmap(loss))(moved), np.float64)
    difference = (losses[: x.size] - losses[x.size :]) / (2 * step)
    np.testing.assert_allclose(gradient.ravel(), difference, atol=2e-3)
    narrow = op(jnp.asarray(x, jnp.bfloat16))
    assert narrow.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        narrow.astype(np.float32), op(jnp.asarray(x, jnp.bfloat16).astype(np.float32)), atol=0.05
    )
