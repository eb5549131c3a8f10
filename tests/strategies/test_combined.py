"""Mixed, gated and tree pooling: initial values, sharing, placement."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.errors import BadInput
from cnn_jax.layers import Downsample, Layers
from cnn_jax.ops.combined import gated_pool, mixed_pool, tree_pool
from cnn_jax.ops.pooling import avg_pool
from cnn_jax.strategies import MAX_POOL, SITES, Gated, Mixed, Tree

X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 6, 3)), jnp.float32)
SHAPES = {
    'net': (),
    'layer': (),
    'channel': (3,),
    'region': (3, 3, 1),
    'region_channel': (3, 3, 3),
}


def start(strategy, x=X):
    start = jax.jit(partial(Downsample(strategy).init_with_output, train=False))
    y, variables = start(jax.random.key(0), x)
    return y, variables['params']


@pytest.mark.parametrize('share', SHAPES)
def test_mixed_and_gated_start_halfway_between_max_and_average(share):
    halfway = mixed_pool(X, window=2, alpha=0.5)
    for strategy, name, taps in (
        (Mixed(share=share), 'alpha_logit', ()),
        (Gated(share=share), 'mask', (4,)),
    ):
        y, params = start(strategy)
        assert jax.tree.map(jnp.shape, params) == {name: (*taps, *SHAPES[share])}
        assert params[name].dtype == jnp.float32
        np.testing.assert_allclose(y, halfway, atol=1e-6)


@pytest.mark.parametrize('share', SHAPES)
@pytest.mark.parametrize('depth', [2, 4])
def test_tree_starts_near_average_pooling(share, depth):
    y, params = start(Tree(share=share, depth=depth), jnp.abs(X))
    leaves = 2 ** (depth - 1)
    assert params['filters'].shape == (leaves, 4, *SHAPES[share])
    assert params['gates'].shape == (leaves - 1, 4, *SHAPES[share])
    off = 4 * jnp.asarray(params['filters']) - 1
    assert not (params['gates'] != 0).any() and 0 < jnp.abs(off).max() < 0.5
    assert len(jnp.unique(params['filters'])) == params['filters'].size
    mean = avg_pool(jnp.abs(X), window=2)
    assert (jnp.abs(y - mean) <= jnp.abs(off).max() * mean + 1e-6).all()


def test_strategies_hand_their_fields_and_parameters_to_the_op():
    options = {'window': 3, 'stride': 1, 'padding': 'same'}
    rng = np.random.default_rng(1)

    def random(*shape):
        return jnp.asarray(rng.normal(size=shape), jnp.float32)

    logit, mask, filters, gates = random(3), random(9, 3), random(4, 9, 3), random(3, 9, 3)
    for strategy, params, expected in (
        (
            Mixed(**options, share='channel'),
            {'alpha_logit': logit},
            mixed_pool(X, **options, alpha=1 / (1 + jnp.exp(-logit))),
        ),
        (
            Gated(**options, share='channel'),
            {'mask': mask},
            gated_pool(X, mask, **options),
        ),
        (
            Tree(**options, share='channel', depth=3),
            {'filters': filters, 'gates': gates},
            tree_pool(X, filters, gates, **options),
        ),
    ):
        y = jnp.asarray(Downsample(strategy).apply({'params': params}, X, train=False))
        np.testing.assert_allclose(y, expected, atol=1e-6)


class Net(nn.Module):
    strategy: Mixed | Gated | Tree

    @nn.compact
    def __call__(self, x):
        shared = Downsample(self.strategy, name='pool') if self.strategy.one_for_all else None
        layers = Layers(self.strategy, train=True, shared=shared)
        for name in ('pool1', 'pool2'):
            x = layers.downsample(nn.Dense(x.shape[-1] + 1)(x), MAX_POOL, name=name)
        return x


@pytest.mark.parametrize('strategy', [Mixed, Gated, Tree])
@pytest.mark.parametrize('share', SHAPES)
@pytest.mark.parametrize('size, out', [((28, 12), (7, 3)), ((15, 9), (3, 2))])
def test_strategies_halve_maps_and_share_what_they_say(strategy, share, size, out):
    x = jnp.ones((2, *size, 3))
    y, variables = jax.eval_shape(
        lambda: Net(strategy(share=share)).init_with_output(jax.random.key(0), x)
    )
    assert y.shape == (2, *out, 5)
    pools = {name for name in variables['params'] if name.startswith('pool')}
    assert pools == ({'pool'} if share == 'net' else {'pool1', 'pool2'})
    assert set(variables) == {'params'}


@pytest.mark.parametrize(
    'strategy', [Mixed(2, share='channel'), Gated(window=3), Tree(window=2, depth=3)]
)
def test_they_stand_at_every_site(strategy):
    assert all(strategy.at(site) == strategy for site in SITES)
    assert strategy.conv_stride == 1 and not strategy.one_for_all


def test_every_parameter_learns():
    for strategy in (Mixed(share='net'), Gated(share='net'), Tree(depth=3)):
        net = Net(strategy)
        params = net.init(jax.random.key(0), X)['params']

        def loss(params, net=net):
            return (jnp.asarray(net.apply({'params': params}, X)) ** 2).sum()

        gradients = jax.grad(loss)(params)
        for name in gradients:
            if name.startswith('pool'):
                for gradient in jax.tree.leaves(gradients[name]):
                    assert (gradient != 0).all()


@pytest.mark.parametrize(
    'make, said',
    [
        (lambda: Mixed(window=0), 'Mixed: window must be an int from 1'),
        (lambda: Gated(stride=0), 'Gated: stride must be an int from 1'),
        (lambda: Tree(depth=1), 'Tree: depth must be an int from 2 to 6; got 1'),
        (lambda: Mixed(share='chanel'), "did you mean 'channel'"),
    ],
)
def test_bad_fields(make, said, unchecked):
    with pytest.raises(BadInput, match=said):
        make()
