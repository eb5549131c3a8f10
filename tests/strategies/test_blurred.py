"""The strategies for learned, content-adaptive and edge-aware blurs."""

import json
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.layers import Downsample
from cnn_jax.ops.adaptive_blur import edge_aware_blur, learned_blur_pool
from cnn_jax.ops.blur import blur_pool, max_blur_pool
from cnn_jax.ops.pooling import max_pool
from cnn_jax.ops.windows import FILLS
from cnn_jax.strategies import (
    AVG_POOL,
    DDAC,
    MAX_POOL,
    SHORTCUT,
    STRIDED_CONV,
    EdgeAware,
    LearnedBlur,
    MaxBlur,
    PyramidBlur,
    strategy_from_dict,
    strategy_to_dict,
)
from tests.oracles import adaptive_blur as oracles
from tests.oracles.plain import conv, pad

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 6, 4)), jnp.float32)


def started(strategy, x=X):
    """The output of a layer as it starts, and its variables."""
    return Downsample(strategy).init_with_output(KEY, x, train=False)


@pytest.mark.parametrize('filter_size', range(1, 8))
@pytest.mark.parametrize('share, shape', [('layer', ()), ('channel', (4,))])
def test_learned_blur_starts_as_the_binomial_blur(filter_size, share, shape):
    y, variables = started(LearnedBlur(1, filter_size, share=share))
    logits = variables['params']['logits']
    assert logits.shape == (filter_size, filter_size, *shape) and logits.dtype == jnp.float32
    np.testing.assert_allclose(y, blur_pool(X, filter_size=filter_size), atol=1e-6)


def test_learned_blur_hands_its_fields_and_parameters_to_the_op():
    logits = jnp.asarray(np.random.default_rng(1).normal(size=(4, 4)), jnp.float32)
    layer = Downsample(LearnedBlur(1, 4, 3, 'circular', 'layer'))
    expected = learned_blur_pool(X, logits, stride=3, padding='circular')
    y = layer.apply({'params': {'logits': logits}}, X, train=False)
    np.testing.assert_array_equal(y, expected)


def of_numpy(x, variables, filter_size, stride, fill, normalise, eps=1e-5):
    """Convolution of the filled map, normalisation by the running statistics, adaptive blur."""
    x = np.asarray(x, np.float64)
    pairs = [((filter_size - 1) // 2, filter_size // 2)] * 2
    kernel = np.asarray(variables['params']['conv']['kernel'], np.float64)
    logits = conv(pad(x, pairs, fill), kernel, (1, 1), [(0, 0)] * 2)
    norm, running = variables['params']['norm'], variables['batch_stats']['norm']
    logits = (logits - running['mean']) / np.sqrt(running['var'] + eps)
    logits = np.asarray(logits * norm['scale'] + norm['bias'])[:, ::stride, ::stride]
    return oracles.adaptive_blur_pool(x, logits, (filter_size,) * 2, (stride,) * 2, fill, normalise)


@pytest.mark.parametrize('fill', FILLS)
@pytest.mark.parametrize('filter_size, stride', [(3, 2), (4, 3), (1, 2)])
@pytest.mark.parametrize('normalise', ['group', 'all'])
def test_adaptive_blur_is_the_paper_in_evaluation(fill, filter_size, stride, normalise):
    module = Downsample(DDAC(1, filter_size, stride, fill, 2, normalise))
    variables = module.init(KEY, X, train=False)
    noise = iter(jax.random.split(KEY, 10))
    variables = jax.tree.map(
        lambda v: v * jnp.exp(jax.random.normal(next(noise), v.shape)) + 0.1, variables
    )
    y = jax.jit(lambda v, x: module.apply(v, x, train=False))(variables, X)
    expected = of_numpy(X, variables, filter_size, stride, fill, normalise)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_adaptive_blur_normalises_by_the_batch_in_training():
    module = Downsample(DDAC(window=1, groups=2))
    variables = module.init(KEY, X, train=False)
    assert variables['params']['conv']['kernel'].shape == (3, 3, 4, 18)
    assert set(variables['params']['conv']) == {'kernel'}
    y, state = module.apply(variables, X, train=True, mutable='batch_stats')
    norm = state['batch_stats']['norm']
    batch = jax.tree.map(
        lambda new, old: (new - 0.9 * old) / 0.1, norm, variables['batch_stats']['norm']
    )
    assert (batch['mean'] != 0).all()
    frozen = {'params': variables['params'], 'batch_stats': {'norm': batch}}
    expected = jnp.asarray(module.apply(frozen, X, train=False))
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('groups', [3, 8])
def test_groups_that_do_not_divide_the_channels(groups):
    with pytest.raises(BadInput, match=f'groups must .* the 4 channels; got {groups}'):
        started(DDAC(groups=groups))


def test_adaptive_blur_is_for_images():
    with pytest.raises(BadInput, match='DDAC is 2-D only'):
        started(DDAC(), X[0])


STRATEGIES = [LearnedBlur(), DDAC(), EdgeAware()]


@pytest.mark.parametrize('strategy', STRATEGIES)
@pytest.mark.parametrize('channels', [16, 32])
def test_sizes_are_those_of_max_pooling_after_a_max_and_rounded_up_without(strategy, channels):
    for size in ((28, 14), (15, 9), (2, 3)):
        x = jnp.ones((2, *size, channels), jnp.float32)
        for site, out in (
            (MAX_POOL, tuple(n // 2 for n in size)),
            (STRIDED_CONV, tuple(-(-n // 2) for n in size)),
        ):
            layer = Downsample(strategy.at(site))
            y, _ = jax.eval_shape(lambda x, e=layer: e.init_with_output(KEY, x, train=True), x)
            assert y.shape == (2, *out, channels) and y.dtype == x.dtype


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_the_max_stands_at_pools_only(strategy):
    strategy = replace(strategy, window=3, padding='circular', filter_size=5)
    without = replace(strategy, window=1, window_padding='valid')
    assert strategy.at(MAX_POOL) == strategy.at(AVG_POOL) == strategy
    assert strategy.at(STRIDED_CONV) == strategy.at(SHORTCUT) == without
    assert replace(strategy, window=None).at(AVG_POOL) == without
    assert strategy.conv_stride == 1 and not strategy.one_for_all


@pytest.mark.parametrize(
    'strategy', [replace(s, stride=3, padding='replicate') for s in STRATEGIES]
)
def test_a_strategy_is_a_max_and_its_blur(strategy):
    x = jnp.abs(jnp.concatenate([X, X[..., ::-1]], -1))
    layer = Downsample(replace(strategy, window=3))
    y, variables = layer.init_with_output(KEY, x, train=False)
    after = Downsample(strategy.at(SHORTCUT)).apply(
        variables, max_pool(x, window=3, stride=1), train=False
    )
    np.testing.assert_array_equal(y, after)


def test_learned_blur_starts_as_max_blur():
    y, variables = Downsample(LearnedBlur(filter_size=4, share='layer')).init_with_output(
        KEY, X, train=True
    )
    assert [v.shape for v in jax.tree.leaves(variables)] == [(4, 4)]
    np.testing.assert_allclose(y, max_blur_pool(X, filter_size=4), atol=1e-6)


def test_edge_aware_takes_every_second_of_the_blur():
    strategy = EdgeAware(window=1, filter_size=5, edge_threshold=3.0, edge_dilation=1)
    y = edge_aware_blur(X, filter_size=5, edge_threshold=3.0, edge_dilation=1)
    np.testing.assert_array_equal(started(strategy)[0], y[:, ::2, ::2])
    assert not np.array_equal(y, edge_aware_blur(X, filter_size=5))


@pytest.mark.parametrize('strategy', [LearnedBlur(), DDAC(groups=2, normalise='all')])
def test_every_parameter_learns(strategy):
    layer = Downsample(strategy)
    x = jnp.concatenate([X, 2 * X + 1])
    variables = layer.init(KEY, x, train=True)

    def loss(params):
        everything = {**variables, 'params': params}
        return (layer.apply(everything, x, train=True, mutable='batch_stats')[0] ** 2).sum()

    for gradient in jax.tree.leaves(jax.grad(loss)(variables['params'])):
        assert jnp.isfinite(gradient).all() and (gradient != 0).any()


@pytest.mark.parametrize(
    'make, said',
    [
        (lambda: LearnedBlur(filter_size=8), 'filter_size must be an int from 1 to 7; got 8'),
        (lambda: LearnedBlur(share='chanel'), "did you mean 'channel'"),
        (lambda: LearnedBlur(padding='wrap'), 'unknown padding of LearnedBlur'),
        (lambda: DDAC(groups=0), 'DDAC: groups must be an int from 1'),
        (lambda: DDAC(normalise='groups'), "did you mean 'group'"),
        (lambda: DDAC(window=0), 'DDAC: window must be an int from 1'),
        (lambda: EdgeAware(edge_threshold=1.0), 'EdgeAware: edge_threshold must be a number'),
        (lambda: EdgeAware(edge_dilation=4), 'EdgeAware: edge_dilation must be odd; got 4'),
        (lambda: EdgeAware(edge_dilation=0), 'EdgeAware: edge_dilation must be an int from 1'),
    ],
)
def test_bad_fields(make, said, unchecked):
    with pytest.raises(BadInput, match=said):
        make()


@pytest.mark.parametrize(
    'shape, filter_size', [((32, 40), 7), ((31, 40), 5), ((16, 16), 5), ((9, 15), 3), ((7, 30), 2)]
)
def test_a_pyramid_takes_the_filter_of_the_maps_shorter_side(shape, filter_size):
    x = jax.random.normal(KEY, (1, *shape, 2))
    found = Downsample(PyramidBlur()).apply({}, x, train=False)
    expected = Downsample(MaxBlur(filter_size=filter_size)).apply({}, x, train=False)
    np.testing.assert_array_equal(found, expected)


def test_a_pyramid_of_ones_own_survives_a_file():
    strategy = PyramidBlur(filter_size=1, filters=((20, 4),))
    back = strategy_from_dict(json.loads(json.dumps(strategy_to_dict(strategy))))
    assert back == strategy and back.filter_for((30, 20)) == 4 and back.filter_for((19, 99)) == 1


@pytest.mark.parametrize(
    'filters',
    [(), 5, ((8, 3), (16, 5)), ((8, 8),), ((0, 3),), ((8, 3), (8, 2)), ((8.0, 3),), (8, 3)],
)
def test_a_pyramid_that_is_none(filters, unchecked):
    with pytest.raises(BadInput, match='filters must be pairs'):
        PyramidBlur(filters=filters)
