"""Which sites are found and chosen, and what is said where nothing can be done."""

import jax
import jax.numpy as jnp
import pytest
from flax import linen as nn
from jax import export, lax

from cnn_jax.errors import BadInput
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.transform import antialias, find_downsampling
from tests.transform.by_hand import conv, draw, pool

IMAGES = jax.ShapeDtypeStruct((2, 32, 24, 3), jnp.float32)


def model(x):
    x = conv(x, jnp.ones((3, 3, 3, 16)), (2, 2), 'SAME')
    x = pool(x, (3, 3), (2, 2), ((1, 1), (1, 1)))
    x = conv(x, jnp.ones((1, 1, 16, 8)), (1, 2), 'VALID')
    return nn.avg_pool(x, (2, 2), (2, 2))


def blurred(**options):
    return [change.blurred for change in antialias(model, **options).report(IMAGES)]


def test_sites_in_order():
    sites = find_downsampling(model, IMAGES)
    assert [
        (s.index, s.kind, s.window, s.stride, s.padding, s.size, s.channels) for s in sites
    ] == [
        (0, 'strided_conv', (3, 3), (2, 2), ((0, 1), (0, 1)), (32, 24), 3),
        (1, 'max_pool', (3, 3), (2, 2), ((1, 1), (1, 1)), (16, 12), 16),
        (2, 'strided_conv', (1, 1), (1, 2), ((0, 0), (0, 0)), (8, 6), 16),
        (3, 'avg_pool', (2, 2), (2, 2), ((0, 0), (0, 0)), (8, 3), 8),
    ]
    assert [str(site) for site in sites[2:]] == [
        'strided_conv 1x1 /1x2 on 8x6, 16 channels',
        'avg_pool 2x2 /2 on 8x3, 8 channels',
    ]


def test_what_does_not_stride_is_no_site():
    def f(x):
        x = conv(x, jnp.ones((3, 3, 3, 3)), (1, 1), 'SAME')
        x = lax.conv_transpose(x, jnp.ones((3, 3, 3, 3)), (2, 2), 'SAME')
        return lax.reduce_window(x, 1.0, lax.mul, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID')

    assert find_downsampling(f, IMAGES) == ()


def test_the_counts_of_an_average_are_no_site():
    def f(x):
        return nn.avg_pool(x, (3, 3), (2, 2), 'SAME', count_include_pad=False)

    assert len(find_downsampling(f, IMAGES)) == 1


def test_choices():
    assert blurred() == [True, True, True, False]
    assert blurred(averages=True) == [True] * 4
    assert blurred(first=False) == [False, True, True, False]
    assert blurred(least_channels=16) == [False, True, True, False]
    assert blurred(where=lambda site: site.kind == 'max_pool') == [False, True, False, False]
    why = antialias(model, first=False, where=lambda site: site.index == 2).report(IMAGES)
    assert [change.why for change in why] == ['first=False', 'where', '', 'averages=False']
    assert str(why[0]) == 'strided_conv 3x3 /2 on 32x24, 3 channels: as it was (first=False)'


PROBLEMS = {
    'it holds int32, and a blur needs floats': lambda x: lax.reduce_window(
        x.astype(jnp.int32), 0, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID'
    ),
    'its window is dilated': lambda x: lax.reduce_window(
        x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), 'VALID', window_dilation=(1, 2, 2, 1)
    ),
    'it dilates the map': lambda x: lax.conv_general_dilated(
        x.transpose(0, 3, 1, 2),
        jnp.ones((3, 3, 3, 3)),
        (2, 2),
        ((1, 1), (1, 1)),
        lhs_dilation=(3, 3),
    ),
    'it groups the batch': lambda x: lax.conv_general_dilated(
        x.transpose(0, 3, 1, 2), jnp.ones((4, 3, 3, 3)), (2, 2), 'SAME', batch_group_count=2
    ),
    'at stride 1, some of its windows would hold padding only': lambda x: pool(
        x, (2, 2), (3, 3), ((0, 2), (0, 2))
    ),
}


@pytest.mark.parametrize('problem', PROBLEMS)
def test_problems(problem):
    (site,) = find_downsampling(PROBLEMS[problem], IMAGES)
    assert site.problem == problem
    with pytest.raises(BadInput, match=f'changes none of the sites.*{problem}'):
        antialias(PROBLEMS[problem])(draw(*IMAGES.shape))


def test_sizes_that_are_not_known():
    def shaped(text):
        return jax.ShapeDtypeStruct(export.symbolic_shape(text), jnp.float32)

    sites = find_downsampling(model, shaped('2, 32, w, 3'))
    assert sites[0].problem == 'its size is symbolic: 32xw'
    exported = export.export(jax.jit(antialias(model)))(shaped('b, 32, 24, 3'))
    x = draw(*IMAGES.shape)
    assert jnp.allclose(exported.call(x), antialias(model)(x), atol=1e-3)


def test_nothing_to_change():
    with pytest.raises(BadInput, match='downsamples nowhere'):
        antialias(lambda x: x + 1)(draw(2, 8, 8, 3))
    with pytest.raises(BadInput, match='downsamples nowhere'):
        antialias(lambda x: x + 1).report(draw(2, 8, 8, 3))
    with pytest.raises(BadInput, match=r'changes none .* 24x24.*\(where\)'):
        antialias(lambda x: pool(x, (2, 2), (2, 2), 'SAME'), where=lambda site: False).report(
            draw(1, 24, 24, 3)
        )


@pytest.mark.parametrize('derivative', [jax.grad, lambda f: jax.grad(jax.jit(f))])
def test_a_function_that_differentiates_its_sites(derivative):
    step = derivative(lambda x: model(x).sum())
    with pytest.raises(BadInput, match='antialias the model itself, then differentiate'):
        antialias(step)(draw(*IMAGES.shape))


def test_a_circular_border_needs_as_many_elements_as_the_filter():
    def two(x):
        return pool(pool(x, (2, 2), (2, 2), 'VALID'), (2, 2), (2, 2), 'VALID')

    smooth = antialias(two, MaxBlur(filter_size=5, padding='circular'))
    x = draw(2, 9, 9, 3)  # the pools at stride 1 leave 8x8, then 3x3
    assert [change.blurred for change in smooth.report(x)] == [True, False]
    assert 'needs a map of 5' in str(smooth.report(x)[1])
    assert smooth(x).shape == two(x).shape


def over_draws(x):
    """A loop in which the site does not change, so that JAX moves its derivative out."""

    def add(total, _):
        return total + jnp.sin(pool(x, (2, 2), (2, 2), 'SAME')).sum(), None

    return lax.scan(add, 0.0, None, length=2)[0]


@pytest.mark.parametrize(
    'derivative',
    [
        jax.grad,
        lambda f: jax.jit(jax.grad(f)),
        lambda f: lambda x: jax.vjp(f, x)[1](1.0)[0],
        lambda f: lambda x: jax.linearize(f, x)[1](x),
        lambda f: lambda x: jax.jvp(f, (x,), (x,))[1],
    ],
)
def test_a_derivative_through_a_loop_is_refused_as_well(derivative):
    x = draw(2, 8, 8, 3)
    assert antialias(over_draws).report(x)[0].blurred
    with pytest.raises(BadInput, match='antialias the model itself, then differentiate'):
        antialias(derivative(over_draws))(x)


@pytest.mark.parametrize(
    ('f', 'options', 'message'),
    [
        (3, {}, 'f must be a function.*got int'),
        (nn.Conv(4, (3, 3)), {}, 'Flax Linen module: give its apply'),
        (model, {'strategy': 'max_blur'}, "strategy must be MaxBlur or PyramidBlur.*'max_blur'"),
        (model, {'strategy': Max()}, 'strategy must be MaxBlur or PyramidBlur'),
        (model, {'strategy': MaxBlur(window=3)}, 'must not say window'),
        (model, {'strategy': MaxBlur(stride=3)}, 'must not say window'),
        (model, {'where': 3}, 'where must be a function of a Site; got 3'),
        (model, {'first': 1}, 'first must be True or False; got 1'),
        (model, {'averages': None}, 'averages must be True or False'),
        (model, {'least_channels': 0}, 'least_channels must be an int of at least 1; got 0'),
    ],
)
def test_bad_input(f, options, message, unchecked):
    with pytest.raises(BadInput, match=message):
        antialias(f, **options)
    if not options:
        with pytest.raises(BadInput, match=message):
            find_downsampling(f)
