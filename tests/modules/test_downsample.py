"""The strategy registry, and the layer that calls a strategy."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax import modules, ops
from cnn_jax.errors import BadInput


@pytest.mark.parametrize('name', modules.strategy_names())
def test_every_strategy_halves_even_and_odd_maps_and_survives_json(name):
    strategy = modules.strategy_named(name)
    assert modules.strategy_from_dict(modules.strategy_to_dict(strategy)) == strategy
    assert hash(strategy) == hash(dataclasses.replace(strategy))
    key = jax.random.key(0)
    for size in (13, 14):
        x = jax.ShapeDtypeStruct((2, size, size, 3), jnp.float32)
        conv = modules.Conv(16, 3, stride=strategy.conv_stride)
        x, _ = jax.eval_shape(conv.init_with_output, key, x)
        pool = partial(modules.Downsample(strategy).init_with_output, train=False)
        y, _ = jax.eval_shape(pool, key, x)
        half = {13: (7, 6), 14: (7,)}[size]
        assert y.shape[1] in half and y.shape[1] == y.shape[2]
        assert y.shape[3] == (64 if name == 'space_to_depth' else 16)


@pytest.mark.parametrize('name', ['stochastic', 'lps'])
def test_a_strategy_that_draws_asks_for_its_key(name):
    layer = modules.Downsample(modules.strategy_named(name))
    x, key = jnp.ones((1, 8, 8, 2)), jax.random.key(0)
    variables = layer.init(key, x, train=False)
    with pytest.raises(BadInput, match="rngs={'downsample': key}"):
        layer.apply(variables, x, train=True)


@pytest.mark.parametrize('x', [[1.0], jnp.ones((2, 2)), jnp.ones((1, 4, 4, 2), int)])
@pytest.mark.parametrize('name', ['max', 'stride', 'lip'])
def test_every_strategy_refuses_what_is_no_map(name, x, unchecked):
    with pytest.raises(BadInput, match='x must'):
        modules.Downsample(modules.strategy_named(name)).init(jax.random.key(0), x, train=False)


def test_a_layer_wants_a_strategy(unchecked):
    with pytest.raises(BadInput, match=r"strategy_named\('max'\)"):
        modules.Downsample('max').init(jax.random.key(0), jnp.ones((1, 4, 4, 2)), train=False)


@pytest.mark.parametrize(
    'strategy, op',
    [
        (modules.Max(), lambda x: ops.max_pool(x, window=2)),
        (modules.Max(window=3), lambda x: ops.max_pool(x, window=3, stride=2)),
        (modules.Avg(), lambda x: ops.avg_pool(x, window=2)),
        (modules.Stride(), lambda x: x),
        (modules.Blur(filter_size=5), lambda x: ops.blur_pool(x, filter_size=5)),
        (
            modules.MaxBlur(filter_size=4, padding='zero'),
            lambda x: ops.max_blur_pool(x, filter_size=4, padding='zero'),
        ),
    ],
)
def test_a_strategy_is_its_op(strategy, op):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 9, 8, 3)), jnp.float32)
    np.testing.assert_array_equal(strategy(x, train=True), op(x))


@pytest.mark.parametrize('strategy', [modules.Blur, modules.MaxBlur])
@pytest.mark.parametrize('filter_size', [0, 8, -3])
def test_filter_size_is_checked_when_the_config_is_made(strategy, filter_size):
    with pytest.raises(BadInput, match='filter_size must be an int from 1 to 7; got'):
        strategy(filter_size=filter_size)


def test_nearest_names_are_offered(unchecked):
    with pytest.raises(BadInput, match="did you mean 'max_blur'"):
        modules.strategy_named('max_blurr')
    with pytest.raises(BadInput, match="did you mean 'filter_size'"):
        modules.strategy_named('blur', filtersize=3)
    with pytest.raises(BadInput, match="did you mean 'reflect'"):
        modules.Blur(padding='reflection')


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return modules.Downsample(modules.Max(window=9), name='pool1')(x, train=False)


def test_a_layer_names_itself_and_the_sizes_when_its_window_does_not_fit():
    with pytest.raises(BadInput, match=r'pool1 .*\(4, 4\).*window .*larger than the feature map'):
        jax.eval_shape(lambda: Net().apply({}, jnp.zeros((1, 4, 4, 1))))
