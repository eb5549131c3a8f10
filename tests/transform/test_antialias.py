"""What `antialias` computes is what the same function computes with ops written at its sites."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnn_jax import ops
from cnn_jax.strategies import MaxBlur, PyramidBlur
from cnn_jax.transform import antialias, find_downsampling
from tests.transform.by_hand import (
    LAYOUTS,
    blurred_conv,
    blurred_pool,
    conv,
    draw,
    on_spatial,
    pool,
)

PADDINGS = ('SAME', 'VALID', ((1, 0), (0, 1)))
STEPS = (((2, 2), (2, 2)), ((3, 3), (2, 2)), ((3, 2), (3, 2)), ((3, 3), (3, 3)))
SIZES = ((7, 8), (13, 9))
CASES = [
    (SIZES[number % 2], steps, padding, layout)
    for number, (steps, layout, padding) in enumerate(itertools.product(STEPS, LAYOUTS, PADDINGS))
]


def image(size, layout, channels=3, **options):
    shape = on_spatial(layout, size, 0)
    shape = [
        {'N': 2, 'C': channels}.get(letter, n) for letter, n in zip(layout, shape, strict=True)
    ]
    return draw(*shape, **options)


def same(found, wanted):
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(('size', 'steps', 'padding', 'layout'), CASES)
def test_a_max_pool(size, steps, padding, layout):
    (window, stride), x = steps, image(size, layout)
    wanted = jax.jit(lambda x: blurred_pool(x, window, stride, padding, layout))(x)
    same(jax.jit(antialias(lambda x: pool(x, window, stride, padding, layout)))(x), wanted)


@pytest.mark.parametrize(('size', 'steps', 'padding', 'layout'), CASES[::2])
def test_a_strided_convolution(size, steps, padding, layout):
    window, stride = steps
    x, kernel = image(size, layout), draw(*window, 3, 4, seed=1)
    if layout == 'NCHW':
        kernel = kernel.transpose(3, 2, 0, 1)
    wanted = jax.jit(lambda x: blurred_conv(x, kernel, stride, padding, layout))(x)
    same(jax.jit(antialias(lambda x: conv(x, kernel, stride, padding, layout)))(x), wanted)


@pytest.mark.parametrize('options', [{'feature_group_count': 3}, {'rhs_dilation': (2, 2)}])
def test_grouped_and_dilated_convolutions(options):
    x, kernel = draw(2, 9, 10, 3), draw(3, 3, 1 if 'rhs_dilation' not in options else 3, 6, seed=1)
    wanted = blurred_conv(x, kernel, (2, 2), 'SAME', **options)
    same(antialias(lambda x: conv(x, kernel, (2, 2), 'SAME', **options))(x), wanted)


@pytest.mark.parametrize('size', [(8, 8), (7, 5)])
def test_the_convolution_of_a_shortcut_has_the_stride_in_its_blur(size):
    x, kernel = draw(2, *size, 3), draw(1, 1, 3, 4, seed=1)
    wanted = conv(ops.blur_pool(x, stride=2), kernel, (1, 1), 'VALID')
    found = antialias(lambda x: conv(x, kernel, (2, 2), 'VALID'))(x)
    same(found, wanted)
    np.testing.assert_allclose(found, blurred_conv(x, kernel, (2, 2), 'VALID'), atol=1e-5)


@pytest.mark.parametrize('filter_size', range(1, 8))
@pytest.mark.parametrize('fill', ['zero', 'replicate', 'circular'])
def test_filters_and_fills(filter_size, fill):
    x, steps = draw(2, 11, 10, 3), ((3, 3), (2, 2), 'SAME')
    wanted = blurred_pool(x, *steps, filter_size=filter_size, fill=fill)
    strategy = MaxBlur(filter_size=filter_size, padding=fill)
    same(antialias(lambda x: pool(x, *steps), strategy)(x), wanted)


def test_filters_by_the_size_of_the_map():
    strategy, kernel = PyramidBlur(filters=((16, 5),), filter_size=2), draw(3, 3, 3, 3, seed=1)

    def f(x):
        return pool(conv(x, kernel, (2, 2), 'SAME'), (2, 2), (2, 2), 'VALID')

    x = draw(2, 16, 16, 3)
    wanted = blurred_conv(x, kernel, (2, 2), 'SAME', filter_size=5)
    wanted = blurred_pool(wanted, (2, 2), (2, 2), 'VALID', filter_size=2)
    same(antialias(f, strategy)(x), wanted)


@pytest.mark.parametrize('rank', [1, 3])
def test_other_ranks(rank):
    x, stride = draw(2, *(9, 8, 7)[:rank], 3), (2,) * rank
    layout = 'N' + 'DHW'[-rank:] + 'C'
    steps = (3,) * rank, stride, 'SAME'
    same(antialias(lambda x: pool(x, *steps, layout))(x), blurred_pool(x, *steps, layout))
    kernel, numbers = draw(*(3,) * rank, 3, 4, seed=1), (layout, 'DHW'[-rank:] + 'IO', layout)
    options = {'padding': 'SAME', 'dimension_numbers': numbers}
    wanted = lax.conv_general_dilated(ops.blur_pool(x, stride=1), kernel, stride, **options)
    same(
        antialias(lambda x: lax.conv_general_dilated(x, kernel, stride, **options))(x),
        wanted,
    )


def test_spatial_axes_in_another_order():
    x, kernel = draw(2, 9, 8, 3), draw(3, 2, 3, 4, seed=1)
    numbers = ('NHWC', 'WHIO', 'NHWC')  # the program's first spatial axis is H all the same

    def f(x):
        return lax.conv_general_dilated(x, kernel, (2, 3), 'SAME', dimension_numbers=numbers)

    def turned(x):
        return lax.conv_general_dilated(
            x, kernel, (3, 2), 'SAME', dimension_numbers=('NWHC', 'HWIO', 'NWHC')
        )

    for g in (f, turned):
        same(antialias(g)(x), g(ops.blur_pool(x, stride=1)))
    (site,) = find_downsampling(turned, x)
    assert (site.axes, site.stride, site.window, site.size) == ((1, 2), (2, 3), (2, 3), (9, 8))


def test_only_axes_that_lose_elements_are_blurred():
    x = draw(2, 9, 8, 3)
    highest = ops.max_pool(x, window=3, stride=1)
    rows = [ops.blur_pool(highest[:, :, i], stride=2) for i in range(highest.shape[2])]
    found = antialias(lambda x: pool(x, (3, 3), (2, 1), 'VALID'))(x)
    np.testing.assert_allclose(found, jnp.stack(rows, 2), atol=1e-6)


@pytest.mark.parametrize('layout', ['HW', 'HWC', 'CHW', 'NVHWC', 'NHVW'])
def test_arrays_without_a_batch_or_with_two(layout):
    """Each letter but H and W is an axis without a window."""
    sizes = {'H': 9, 'W': 8, 'C': 3, 'N': 2, 'V': 2}
    x = draw(*(sizes[letter] for letter in layout))
    whole = [letter in 'HW' for letter in layout]
    window, stride = ([k if w else 1 for w in whole] for k in (3, 2))
    found = antialias(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, window, stride, 'VALID'))(x)
    axes = [i for i, w in enumerate(whole) if w]
    maps = jnp.moveaxis(x, axes, (-2, -1))
    wanted = ops.max_blur_pool(maps.reshape(-1, 9, 8, 1), window=3, stride=2)
    wanted = wanted.reshape(*maps.shape[:-2], *wanted.shape[1:3])
    np.testing.assert_allclose(found, jnp.moveaxis(wanted, (-2, -1), axes), atol=1e-6)


def test_a_maximum_that_starts_elsewhere():
    x = draw(2, 9, 9, 3)
    window = {'window_dimensions': (1, 3, 3, 1), 'window_strides': (1, 2, 2, 1)}

    def f(x):
        return lax.reduce_window(x, 0.5, lax.max, padding='SAME', **window)

    highest = ops.max_pool(x, window=3, stride=1, padding=((1, 1), (1, 1)))
    same(antialias(f)(x), ops.blur_pool(jnp.maximum(highest, 0.5)))


def test_average_pools_are_left_unless_told():
    x, kernel = draw(2, 9, 9, 3), draw(3, 3, 3, 3, seed=1)

    def f(x):
        x = conv(x, kernel, (2, 2), 'SAME')
        return lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID') / 4

    before = blurred_conv(x, kernel, (2, 2), 'SAME')
    sums = lax.reduce_window(before, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')
    same(antialias(f)(x), sums / 4)
    before = ops.blur_pool(before, stride=1)
    sums = lax.reduce_window(before, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')
    same(antialias(f, averages=True)(x), sums / 4)
    assert [change.why for change in antialias(f).report(x)] == ['', 'averages=False']


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_dtypes_stay(dtype):
    x, kernel = draw(2, 9, 8, 3, dtype=dtype), draw(3, 3, 3, 4, dtype=dtype)
    found = antialias(lambda x: pool(x, (3, 3), (2, 2), 'SAME'))(x)
    same(found, blurred_pool(x, (3, 3), (2, 2), 'SAME'))
    found = antialias(lambda x: conv(x, kernel, (2, 2), 'SAME', preferred_element_type='float32'))
    assert found(x).dtype == jnp.float32


def test_shapes_stay_at_every_size():
    """Wherever a site has no problem; and which have one."""
    left = set()
    steps, pads = ((1, 2), (2, 2), (3, 2), (2, 3)), ((0, 0), (1, 0), (0, 1), (1, 2))
    for n, (k, s), (low, high) in itertools.product(range(1, 8), steps, pads):
        x = jax.ShapeDtypeStruct((1, n, 3, 2), jnp.float32)
        kernel = jax.ShapeDtypeStruct((k, 1, 2, 2), jnp.float32)
        args = (k, 1), (s, 1), ((low, high), (0, 0))
        for f, given in (
            (lambda x, args=args: pool(x, *args), (x,)),
            (lambda x, w, args=args: conv(x, w, *args[1:]), (x, kernel)),
        ):
            (site,) = find_downsampling(f, *given)
            if site.problem:
                left.add((site.kind, site.problem))
                continue
            wanted, found = jax.eval_shape(f, *given), jax.eval_shape(antialias(f), *given)
            assert (wanted.shape, wanted.dtype) == (found.shape, found.dtype)
    assert left == {
        ('max_pool', 'it has no elements'),
        ('max_pool', 'at stride 1, some of its windows would hold padding only'),
        ('strided_conv', 'it has no elements'),
    }


def test_derivatives_are_those_of_the_ops():
    with jax.enable_x64(True):
        x, kernel = draw(2, 9, 8, 3, dtype='float64'), draw(3, 3, 3, 4, dtype='float64', seed=1)
        steps = (3, 3), (2, 2), 'SAME'

        def model(convolve, pooled):
            def loss(kernel, x):
                y = jax.nn.relu(convolve(x, kernel, (2, 2), 'SAME'))  # ties of zeros
                return (pooled(y, *steps) ** 2).sum()

            return loss

        wanted = jax.jit(jax.grad(model(blurred_conv, blurred_pool), (0, 1)))(kernel, x)
        found = jax.jit(jax.grad(antialias(model(conv, pool)), (0, 1)))(kernel, x)
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-9)
        ones = jnp.ones_like(kernel), jnp.ones_like(x)
        forward, again = (
            jax.jit(lambda *args, f=f: jax.jvp(f, args, ones)[1])(kernel, x)
            for f in (antialias(model(conv, pool)), model(blurred_conv, blurred_pool))
        )
        np.testing.assert_allclose(forward, again, rtol=1e-6)


@pytest.mark.parametrize('window', [1, 2, 3])
@pytest.mark.parametrize('stride', [2, 3])
@pytest.mark.parametrize('options', [{}, {'ceil_mode': True}, {'padding': 'same'}])
def test_max_pools_of_this_package(window, stride, options):
    x = draw(2, 11, 10, 3)

    def f(x):
        return ops.max_pool(x, window=window, stride=stride, **options)

    (site,) = find_downsampling(f, x)
    assert (site.kind, site.window, site.stride) == ('max_pool', (window,) * 2, (stride,) * 2)
    found = antialias(f)(x)
    assert found.shape == f(x).shape
    if 'ceil_mode' not in options:
        padding = options.get('padding', 'valid')
        steps = {'window': window, 'stride': stride, 'window_padding': padding}
        same(found, ops.max_blur_pool(x, **steps))


def test_large_windows_of_this_package_are_two_sites():
    x = draw(2, 11, 10, 3)
    sites = find_downsampling(lambda x: ops.max_pool(x, window=4, stride=2), x)
    assert [(site.axes, site.window, site.stride) for site in sites] == [
        ((2,), (4,), (2,)),
        ((1,), (4,), (2,)),
    ]
    f = antialias(lambda x: ops.max_pool(x, window=4, stride=2))
    assert [change.blurred for change in f.report(x)] == [True, True]
    assert f(x).shape == (2, 4, 4, 3)


@pytest.mark.parametrize('channels', [3, 64])
def test_convolutions_of_this_package(channels):
    """On a CPU, those of many channels have a form of their own beside lax's."""
    x, kernel = draw(1, 32, 32, channels), draw(3, 3, channels, 64, seed=1)
    found = jax.jit(antialias(lambda x: ops.conv(x, kernel, stride=2)))(x)
    wanted = jax.jit(lambda x: ops.conv(ops.blur_pool(x, stride=1), kernel, stride=2))(x)
    same(found, wanted)


def test_its_own_result_has_no_max_pool_left():
    x = draw(2, 9, 8, 3)
    once = antialias(lambda x: pool(x, (3, 3), (2, 2), 'SAME'))
    assert find_downsampling(once, x) == ()
