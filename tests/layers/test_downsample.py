"""The strategy registry, and the layer that calls a strategy."""

import dataclasses
import json
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax import layers, ops, strategies
from cnn_jax.errors import BadInput
from cnn_jax.strategies import AVG_POOL, SHORTCUT, STRIDED_CONV, Site


@pytest.mark.parametrize('name', strategies.strategy_names())
def test_every_strategy_halves_even_and_odd_maps_and_survives_json(name):
    strategy = strategies.strategy_named(name)
    assert strategies.strategy_from_dict(strategies.strategy_to_dict(strategy)) == strategy
    assert hash(strategy) == hash(dataclasses.replace(strategy))
    key = jax.random.key(0)
    for size in (13, 14):
        x = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
        conv = layers.Conv(16, 3, stride=strategy.conv_stride)
        x, _ = jax.eval_shape(conv.init_with_output, key, x)
        pool = partial(layers.Downsample(strategy).init_with_output, train=False)
        y, _ = jax.eval_shape(pool, key, x)
        half = {13: (7, 6), 14: (7,)}[size] if name != 'none' else (size,)
        assert y.shape[1] in half and y.shape[1] == y.shape[2]
        assert y.shape[3] == {'space_to_depth': 64, 'max_avg': 32}.get(name, 16)


@pytest.mark.parametrize('name', ['stochastic', 'lps'])
def test_a_strategy_that_draws_asks_for_its_key(name):
    layer = layers.Downsample(strategies.strategy_named(name))
    x, key = jnp.ones((1, 8, 8, 2)), jax.random.key(0)
    variables = layer.init(key, x, train=False)
    with pytest.raises(BadInput, match="rngs={'downsample': key}"):
        layer.apply(variables, x, train=True)


@pytest.mark.parametrize('x', [[1.0], jnp.ones((2, 2)), jnp.ones((1, 4, 4, 2), int)])
@pytest.mark.parametrize('name', ['max', 'stride', 'lip'])
def test_every_strategy_refuses_what_is_no_map(name, x, unchecked):
    with pytest.raises(BadInput, match='x must'):
        layers.Downsample(strategies.strategy_named(name)).init(jax.random.key(0), x, train=False)


def test_a_layer_wants_a_strategy(unchecked):
    with pytest.raises(BadInput, match=r"strategy_named\('max'\)"):
        layers.Downsample('max').init(jax.random.key(0), jnp.ones((1, 4, 4, 2)), train=False)


@pytest.mark.parametrize(
    'strategy, op',
    [
        (strategies.Max(), lambda x: ops.max_pool(x, window=2)),
        (strategies.Max(window=3), lambda x: ops.max_pool(x, window=3, stride=2)),
        (strategies.Avg(), lambda x: ops.avg_pool(x, window=2)),
        (strategies.Stride(), lambda x: x),
        (strategies.Blur(filter_size=5), lambda x: ops.blur_pool(x, filter_size=5)),
        (
            strategies.MaxBlur(filter_size=4, padding='zero'),
            lambda x: ops.max_blur_pool(x, filter_size=4, padding='zero'),
        ),
    ],
)
def test_a_strategy_is_its_op(strategy, op):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 9, 8, 3)), jnp.float32)
    y = layers.Downsample(strategy).apply({}, x, train=True)
    np.testing.assert_array_equal(y, op(x))


@pytest.mark.parametrize('strategy', [strategies.Blur, strategies.MaxBlur])
@pytest.mark.parametrize('filter_size', [0, 8, -3])
def test_filter_size_is_checked_when_the_config_is_made(strategy, filter_size):
    with pytest.raises(BadInput, match='filter_size must be an int from 1 to 7; got'):
        strategy(filter_size=filter_size)


def test_nearest_names_are_offered(unchecked):
    with pytest.raises(BadInput, match="did you mean 'max_blur'"):
        strategies.strategy_named('max_blurr')
    with pytest.raises(BadInput, match="did you mean 'filter_size'"):
        strategies.strategy_named('blur', filtersize=3)
    with pytest.raises(BadInput, match="did you mean 'reflect'"):
        strategies.Blur(padding='reflection')


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return layers.Downsample(strategies.Max(window=9), name='pool1')(x, train=False)


def test_a_layer_names_itself_and_the_sizes_when_its_window_does_not_fit():
    with pytest.raises(BadInput, match=r'pool1 .*\(4, 4\).*window .*larger than the feature map'):
        jax.eval_shape(lambda: Net().apply({}, jnp.zeros((1, 4, 4, 1))))


# The window, stride and padding of the max pools, and the sizes, of AlexNet, ResNet and GoogLeNet.
POOLS = [
    (Site('max_pool', window=3), 55, 27),
    (Site('max_pool', window=3, padding=((1, 1), (1, 1))), 112, 56),
    (Site('max_pool', window=3, ceil_mode=True), 112, 56),
    (Site('max_pool', window=3, ceil_mode=True), 57, 28),
    (Site('max_pool'), 13, 6),
]


@pytest.mark.parametrize('site, size, out', POOLS)
def test_max_at_a_site_is_the_published_pool(site, size, out):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, size, size - 1, 2)), jnp.float32)
    y = layers.Downsample(strategies.Max()).apply({}, x, site=site, train=False)
    options = {'padding': site.padding, 'ceil_mode': site.ceil_mode}
    np.testing.assert_array_equal(y, ops.max_pool(x, window=site.window, stride=2, **options))
    assert y.shape[1] == out


@pytest.mark.parametrize('name', strategies.strategy_names())
@pytest.mark.parametrize('site, size, out', POOLS[1:3])
def test_every_strategy_stands_where_published_networks_pool(name, site, size, out):
    strategy = strategies.strategy_named(name)
    x = jnp.ones((1, size, size, 8))
    y, _ = jax.eval_shape(
        lambda: layers.Downsample(strategy).init_with_output(
            jax.random.key(0), x, site=site, train=False
        )
    )
    if hasattr(strategy, 'window') and strategy.window is None and name not in POLYPHASE:
        assert y.shape[1] == out
    else:
        keeps = name in ('stride', 'none')
        assert y.shape[1] in ((size,) if keeps else (size // 2, -(-size // 2)))


POLYPHASE = ('aps', 'lps', 'tips')


@pytest.mark.parametrize('site, size, out', POOLS)
def test_max_blur_at_a_site_is_the_published_max_at_stride_1_and_a_blur(site, size, out):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, size, size, 2)), jnp.float32)
    y = layers.Downsample(strategies.MaxBlur()).apply({}, x, site=site, train=False)
    high = (1, 1) if site.ceil_mode and size % 2 == 0 else (0, 0)
    padding = ((0, high[0]),) * 2 if site.ceil_mode else site.padding
    at_stride_1 = ops.max_pool(x, window=site.window, stride=1, padding=padding)
    np.testing.assert_array_equal(y, ops.blur_pool(at_stride_1))
    assert y.shape[1] == out


def test_a_given_window_stays_at_every_site():
    site = Site('max_pool', window=3, padding=((1, 1), (1, 1)))
    assert strategies.Max(window=2).at(site) == strategies.Max(window=2)
    assert strategies.MaxBlur(window=2).at(site) == strategies.MaxBlur(window=2)
    assert strategies.Gaussian().at(site) == strategies.Gaussian()


@pytest.mark.parametrize(
    'kind', [strategies.Max, strategies.MaxBlur, strategies.AvgBlur, strategies.APS]
)
def test_a_given_window_pools_where_the_network_averages(kind):
    assert kind(window=3).at(AVG_POOL) == kind(window=3)
    assert kind(window=3).at(STRIDED_CONV) != kind(window=3)


def test_published_networks_stride_or_average_where_they_have_no_max_pool():
    strided, average = strategies.Stride(), strategies.Avg(2, padding='valid')
    assert strategies.Max().at(STRIDED_CONV) == strategies.Max().at(SHORTCUT) == strided
    assert strategies.Max().at(AVG_POOL) == average
    assert (
        strategies.MaxBlur().at(STRIDED_CONV).window
        == strategies.MaxBlur().at(AVG_POOL).window
        == 1
    )
    after_block = Site('max_pool', window=3, after_conv=False)
    assert strategies.Stride(3).at(after_block) == strategies.Subsample(3)


@pytest.mark.parametrize('name', strategies.strategy_names())
@pytest.mark.parametrize('size', [7, 8])
def test_branches_shrink_alike(name, size):
    layer = layers.DownsampleBranches(strategies.strategy_named(name))
    key = jax.random.key(0)
    for train in (False, True):
        rngs = {'params': key, 'downsample': key}
        main, shortcut = jnp.ones((2, size, size, 8)), jnp.ones((2, size, size, 16))
        (y, z), _ = jax.eval_shape(
            lambda r, m, s, t=train: layer.init_with_output(r, m, s, train=t), rngs, main, shortcut
        )
        assert y.shape[:3] == z.shape[:3]


@pytest.mark.parametrize('train', [False, True])
@pytest.mark.parametrize('strategy', [strategies.APS(filter_size=3), strategies.LPS()], ids=repr)
def test_a_shortcut_gets_the_component_of_the_main_branch(strategy, train):
    """The shortcut's own components would be chosen otherwise: it is brightest elsewhere."""
    key = jax.random.key(0)
    main = jnp.asarray(np.random.default_rng(1).normal(size=(4, 8, 8, 3)), jnp.float32)
    layer = layers.DownsampleBranches(strategy)
    rngs = {'params': key, 'downsample': key}
    (y, z), _ = layer.init_with_output(rngs, main, main, train=train)
    np.testing.assert_array_equal(y, z)
    other = jnp.zeros_like(main).at[:, 1::2, ::2].set(100.0)
    (again, z), _ = layer.init_with_output(rngs, main, other, train=train)
    np.testing.assert_array_equal(y, again)
    (_, moved), _ = layer.init_with_output(rngs, other, main, train=train)
    assert not np.array_equal(y, moved)


@pytest.mark.parametrize('padding', ['circular', 3, ((1, -1), (0, 0))])
def test_bad_padding_of_a_window_is_refused(padding, unchecked):
    with pytest.raises(BadInput, match='padding'):
        strategies.Max(padding=padding)


def test_padding_pairs_survive_json():
    strategy = strategies.Max(3, padding=((1, 1), (0, 1)))
    kept = json.loads(json.dumps(strategies.strategy_to_dict(strategy)))
    assert strategies.strategy_from_dict(kept) == strategy
