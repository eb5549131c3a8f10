"""Every upsampling against float64 loops, finite differences, and under jit and vmap."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops
from cnn_jax.ops.windows import FILLS
from tests.ops.programs import run_compiled
from tests.oracles import plain
from tests.oracles import upsampling as oracles

SHAPES = [((5,), (2,)), ((1, 4), (3, 2)), ((3, 2, 1), (2, 1, 4))]  # size, factor


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


@pytest.mark.parametrize('size, factor', SHAPES)
def test_interpolations_are_the_oracles(size, factor):
    sizes = dict(zip(FILLS, (2, 3, 4, 7), strict=True))

    def all_of_them(x):
        linear = [ops.upsample_bilinear(x, factor=factor, padding=fill) for fill in FILLS]
        blurred = [
            ops.upsample_blur(x, factor=factor, filter_size=k, padding=fill)
            for fill, k in sizes.items()
        ]
        return ops.upsample_nearest(x, factor=factor), linear, blurred

    x = draw(2, *size, 2)
    wide = np.asarray(x, np.float64)
    nearest, linear, blurred = run_compiled(all_of_them, x)
    np.testing.assert_array_equal(nearest, oracles.nearest(wide, factor))
    for number, (fill, k) in enumerate(sizes.items()):
        np.testing.assert_allclose(linear[number], oracles.bilinear(wide, factor, fill), atol=1e-6)
        np.testing.assert_allclose(blurred[number], oracles.blur(wide, factor, k, fill), atol=1e-6)


def test_blur_up_is_the_adjoint_of_blur_pool_and_keeps_constants():
    def all_of_them(x, y):
        two = ops.upsample_blur(y, filter_size=2), ops.upsample_nearest(y)
        options = [{'filter_size': k, 'padding': 'circular'} for k in (3, 4)]
        products = [
            (4 * (ops.blur_pool(x, **o) * y).sum(), (x * ops.upsample_blur(y, **o)).sum())
            for o in options
        ]
        ones = jnp.ones((1, 3, 5, 1))
        return two, products, [ops.upsample_blur(ones, filter_size=k) for k in range(2, 8)]

    two, products, ones = run_compiled(all_of_them, draw(1, 8, 6, 2), draw(1, 4, 3, 2))
    np.testing.assert_array_equal(*two)
    np.testing.assert_allclose(*np.transpose(products), rtol=1e-5)
    for y in ones:
        np.testing.assert_allclose(y, 1.0, rtol=1e-6)


@pytest.mark.parametrize('stride, size', [((2, 2), (7, 6)), ((3, 2), (9, 4))])
def test_polyphase_upsampling_is_the_oracle(stride, size):
    out = tuple(-(-n // s) for n, s in zip(size, stride, strict=True))
    y, phases = draw(4, *out, 2), stride[0] * stride[1]
    index = jnp.arange(4) % phases
    weights = jnp.abs(draw(4, phases, seed=1))
    placed, mixed = np.zeros((2, 4, *size, 2))
    for b in range(4):
        column, row = divmod(int(index[b]), stride[0])
        target = placed[b, row :: stride[0], column :: stride[1]]
        target[:] = y[b, : target.shape[0], : target.shape[1]]
        for phase in range(phases):
            target = mixed[b, phase // stride[1] :: stride[0], phase % stride[1] :: stride[1]]
            target[:] = weights[b, phase] * y[b, : target.shape[0], : target.shape[1]]
    sizes = dict(zip(FILLS, (2, 3, 5, 4), strict=True))

    def all_of_them(y, weights):
        found = []
        for fill, k in sizes.items():
            options = {'stride': stride, 'filter_size': k, 'padding': fill, 'size': size}
            found.append(
                (ops.aps_upsample(y, index, **options), ops.lps_upsample(y, weights, **options))
            )
        return found

    for (fill, k), found in zip(sizes.items(), run_compiled(all_of_them, y, weights), strict=True):
        for ours, raw in zip(found, (placed, mixed), strict=True):
            np.testing.assert_allclose(ours, oracles.smooth(raw, stride, k, fill), atol=1e-5)


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
    kernel = jnp.asarray(ops.bilinear_kernel(8, 2), jnp.float32)

    def both(x):
        y = ops.conv_transpose(x, kernel, stride=4)
        return y, ops.upsample_bilinear(x, factor=4, padding='zero')

    np.testing.assert_allclose(*run_compiled(both, x), atol=1e-6)


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
    op, x, step = PROGRAMS[name], draw(*MAP), 1e-2
    steps = step * np.concatenate([np.eye(x.size), -np.eye(x.size)]).reshape(-1, *MAP)

    def loss(x):
        return jnp.sin(op(x)).sum()

    def all_at_once(x, moved):
        few = x.astype(jnp.bfloat16)
        narrow = op(few), op(few.astype(jnp.float32))
        return jax.vmap(op)(moved), op(x + 1), jax.vmap(loss)(moved), jax.grad(loss)(x), narrow

    moved = jnp.asarray(x + np.concatenate([steps, np.ones((1, *MAP))]), jnp.float32)
    mapped, one, losses, gradient, narrow = run_compiled(all_at_once, x, moved)
    np.testing.assert_allclose(mapped[-1], one, atol=1e-6)
    up, down = np.asarray(losses[:-1], np.float64).reshape(2, -1)
    np.testing.assert_allclose(gradient.ravel(), (up - down) / (2 * step), atol=2e-3)
    assert narrow[0].dtype == jnp.bfloat16
    np.testing.assert_allclose(narrow[0].astype(np.float32), narrow[1], atol=0.05)
