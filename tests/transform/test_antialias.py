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
    (SIZES[number % 2], steps, layout)
    for number, (steps, layout) in enumerate(itertools.product(STEPS, LAYOUTS))
]


def image(size, layout, channels=3, **options):
    shape = on_spatial(layout, size, 0)
    shape = [
        {'N': 2, 'C': channels}.get(letter, n) for letter, n in zip(layout, shape, strict=True)
    ]
    return draw(*shape, **options)


def all_same(pairs, x, atol=0.0):
    """Each `antialias(f)` equals its `g`: as one program, since compiling is what takes time."""
    left, right = zip(*pairs, strict=True)
    found, wanted = jax.jit(lambda x: [[h(x) for h in half] for half in (left, right)])(x)
    for a, b in zip(found, wanted, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


@pytest.mark.parametrize(('size', 'steps', 'layout'), CASES)
def test_a_max_pool(size, steps, layout):
    cases = [(*steps, padding, layout) for padding in PADDINGS]
    pairs = [
        (
            antialias(lambda x, case=case: pool(x, *case)),
            lambda x, case=case: blurred_pool(x, *case),
        )
        for case in cases
    ]
    all_same(pairs, image(size, layout))


@pytest.mark.parametrize(('size', 'steps', 'layout'), CASES)
def test_a_strided_convolution(size, steps, layout):
    window, stride = steps
    kernel = draw(*window, 3, 4, seed=1)
    if layout == 'NCHW':
        kernel = kernel.transpose(3, 2, 0, 1)
    cases = [(kernel, stride, padding, layout) for padding in PADDINGS]
    pairs = [
        (
            antialias(lambda x, case=case: conv(x, *case)),
            lambda x, case=case: blurred_conv(x, *case),
        )
        for case in cases
    ]
    all_same(pairs, image(size, layout))


@pytest.mark.parametrize('options', [{'feature_group_count': 3}, {'rhs_dilation': (2, 2)}])
def test_grouped_and_dilated_convolutions(options):
    x, kernel = draw(2, 9, 10, 3), draw(3, 3, 1 if 'rhs_dilation' not in options else 3, 6, seed=1)
    steps = kernel, (2, 2), 'SAME'
    f = antialias(lambda x: conv(x, *steps, **options))
    all_same([(f, lambda x: blurred_conv(x, *steps, **options))], x)


@pytest.mark.parametrize('size', [(8, 8), (7, 5)])
def test_the_convolution_of_a_shortcut_has_the_stride_in_its_blur(size):
    x, kernel = draw(2, *size, 3), draw(1, 1, 3, 4, seed=1)
    f = antialias(lambda x: conv(x, kernel, (2, 2), 'VALID'))
    all_same([(f, lambda x: conv(ops.blur_pool(x, stride=2), kernel, (1, 1), 'VALID'))], x)
    all_same([(f, lambda x: blurred_conv(x, kernel, (2, 2), 'VALID'))], x, atol=1e-5)


@pytest.mark.parametrize('fill', ['zero', 'replicate', 'circular'])
def test_filters_and_fills(fill):
    steps = (3, 3), (2, 2), 'SAME'

    def pair(filter_size):
        strategy = MaxBlur(filter_size=filter_size, padding=fill)
        wanted = {'filter_size': filter_size, 'fill': fill}
        f = antialias(lambda x: pool(x, *steps), strategy)
        return f, lambda x: blurred_pool(x, *steps, **wanted)

    all_same([pair(filter_size) for filter_size in range(1, 8)], draw(2, 11, 10, 3))


def test_filters_by_the_size_of_the_map():
    strategy, kernel = PyramidBlur(filters=((16, 5),), filter_size=2), draw(3, 3, 3, 3, seed=1)

    def f(x):
        return pool(conv(x, kernel, (2, 2), 'SAME'), (2, 2), (2, 2), 'VALID')

    def wanted(x):
        x = blurred_conv(x, kernel, (2, 2), 'SAME', filter_size=5)
        return blurred_pool(x, (2, 2), (2, 2), 'VALID', filter_size=2)

    all_same([(antialias(f, strategy), wanted)], draw(2, 16, 16, 3))


@pytest.mark.parametrize('rank', [1, 3])
def test_other_ranks(rank):
    x, stride = draw(2, *(7, 6, 5)[:rank], 3), (2,) * rank
    layout = 'N' + 'DHW'[-rank:] + 'C'
    steps = (3,) * rank, stride, 'SAME'
    pools = antialias(lambda x: pool(x, *steps, layout)), lambda x: blurred_pool(x, *steps, layout)
    kernel, numbers = draw(*(3,) * rank, 3, 4, seed=1), (layout, 'DHW'[-rank:] + 'IO', layout)
    options = {'padding': 'SAME', 'dimension_numbers': numbers}

    def convolved(x):
        return lax.conv_general_dilated(x, kernel, stride, **options)

    convolutions = antialias(convolved), lambda x: convolved(ops.blur_pool(x, stride=1))
    all_same([pools, convolutions], x)


def test_spatial_axes_in_another_order():
    x, kernel = draw(2, 9, 8, 3), draw(3, 2, 3, 4, seed=1)
    numbers = ('NHWC', 'WHIO', 'NHWC')  # the program's first spatial axis is H all the same

    def f(x):
        return lax.conv_general_dilated(x, kernel, (2, 3), 'SAME', dimension_numbers=numbers)

    def turned(x):
        return lax.conv_general_dilated(
            x, kernel, (3, 2), 'SAME', dimension_numbers=('NWHC', 'HWIO', 'NWHC')
        )

    pairs = [(antialias(g), lambda x, g=g: g(ops.blur_pool(x, stride=1))) for g in (f, turned)]
    all_same(pairs, x)
    (site,) = find_downsampling(turned, x)
    assert (site.axes, site.stride, site.window, site.size) == ((1, 2), (2, 3), (2, 3), (9, 8))


def test_only_axes_that_lose_elements_are_blurred():
    x = draw(2, 9, 8, 3)

    def wanted(x):
        highest = ops.max_pool(x, window=3, stride=1)
        rows = [ops.blur_pool(highest[:, :, i], stride=2) for i in range(highest.shape[2])]
        return jnp.stack(rows, 2)

    all_same([(antialias(lambda x: pool(x, (3, 3), (2, 1), 'VALID')), wanted)], x, atol=1e-6)


@pytest.mark.parametrize('layout', ['HW', 'HWC', 'CHW', 'NVHWC', 'NHVW'])
def test_arrays_without_a_batch_or_with_two(layout):
    """Each letter but H and W is an axis without a window."""
    sizes = {'H': 9, 'W': 8, 'C': 3, 'N': 2, 'V': 2}
    x = draw(*(sizes[letter] for letter in layout))
    whole = [letter in 'HW' for letter in layout]
    window, stride = ([k if w else 1 for w in whole] for k in (3, 2))
    axes = [i for i, w in enumerate(whole) if w]

    def wanted(x):
        maps = jnp.moveaxis(x, axes, (-2, -1))
        y = ops.max_blur_pool(maps.reshape(-1, 9, 8, 1), window=3, stride=2)
        return jnp.moveaxis(y.reshape(*maps.shape[:-2], *y.shape[1:3]), (-2, -1), axes)

    f = antialias(lambda x: lax.reduce_window(x, -jnp.inf, lax.max, window, stride, 'VALID'))
    all_same([(f, wanted)], x, atol=1e-6)


def test_a_maximum_that_starts_elsewhere():
    x = draw(2, 9, 9, 3)
    window = {'window_dimensions': (1, 3, 3, 1), 'window_strides': (1, 2, 2, 1)}

    def f(x):
        return lax.reduce_window(x, 0.5, lax.max, padding='SAME', **window)

    def wanted(x):
        highest = ops.max_pool(x, window=3, stride=1, padding=((1, 1), (1, 1)))
        return ops.blur_pool(jnp.maximum(highest, 0.5))

    all_same([(antialias(f), wanted)], x)


def test_average_pools_are_left_unless_told():
    x, kernel = draw(2, 9, 9, 3), draw(3, 3, 3, 3, seed=1)

    def f(x):
        x = conv(x, kernel, (2, 2), 'SAME')
        return averages(x)

    def averages(x):
        return lax.reduce_window(x, 0.0, lax.add, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID') / 4

    def before(x):
        return blurred_conv(x, kernel, (2, 2), 'SAME')

    unless = antialias(f), lambda x: averages(before(x))
    told = antialias(f, averages=True), lambda x: averages(ops.blur_pool(before(x), stride=1))
    all_same([unless, told], x)
    assert [change.why for change in antialias(f).report(x)] == ['', 'averages=False']


@pytest.mark.parametrize('dtype', ['float16', 'bfloat16'])
def test_dtypes_stay(dtype):
    x, kernel = draw(2, 9, 8, 3, dtype=dtype), draw(3, 3, 3, 4, dtype=dtype)
    steps = (3, 3), (2, 2), 'SAME'
    all_same([(antialias(lambda x: pool(x, *steps)), lambda x: blurred_pool(x, *steps))], x)
    found = antialias(lambda x: conv(x, kernel, (2, 2), 'SAME', preferred_element_type='float32'))
    assert jax.eval_shape(found, x).dtype == jnp.float32


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


@pytest.mark.parametrize('options', [{}, {'ceil_mode': True}, {'padding': 'same'}])
def test_max_pools_of_this_package(options):
    x, pairs = draw(2, 11, 10, 3), []
    for window, stride in itertools.product([1, 2, 3], [2, 3]):

        def f(x, window=window, stride=stride):
            return ops.max_pool(x, window=window, stride=stride, **options)

        (site,) = find_downsampling(f, x)
        assert (site.kind, site.window, site.stride) == ('max_pool', (window,) * 2, (stride,) * 2)
        assert jax.eval_shape(antialias(f), x) == jax.eval_shape(f, x)
        steps = {'window': window, 'stride': stride}
        steps['window_padding'] = options.get('padding', 'valid')
        pairs.append((antialias(f), lambda x, steps=steps: ops.max_blur_pool(x, **steps)))
    if 'ceil_mode' not in options:
        all_same(pairs, x)


def test_large_windows_of_this_package_are_two_sites():
    x = draw(2, 11, 10, 3)
    sites = find_downsampling(lambda x: ops.max_pool(x, window=4, stride=2), x)
    assert [(site.axes, site.window, site.stride) for site in sites] == [
        ((2,), (4,), (2,)),
        ((1,), (4,), (2,)),
    ]
    f = antialias(lambda x: ops.max_pool(x, window=4, stride=2))
    assert [change.blurred for change in f.report(x)] == [True, True]
    assert jax.eval_shape(f, x).shape == (2, 4, 4, 3)


@pytest.mark.parametrize('channels', [3, 64])
def test_convolutions_of_this_package(channels):
    """On a CPU, those of many channels have a form of their own beside lax's."""
    x, kernel = draw(1, 32, 32, channels), draw(3, 3, channels, 64, seed=1)
    f = antialias(lambda x: ops.conv(x, kernel, stride=2))
    all_same([(f, lambda x: ops.conv(ops.blur_pool(x, stride=1), kernel, stride=2))], x)


def test_its_own_result_has_no_max_pool_left():
    x = draw(2, 9, 8, 3)
    once = antialias(lambda x: pool(x, (3, 3), (2, 2), 'SAME'))
    assert find_downsampling(once, x) == ()
