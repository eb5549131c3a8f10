"""The layers and strategies of value-weighted pooling: starting points, randomness, placement."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.modules.downsample import Downsample
from cnn_jax.modules.strategies import weighted as strategies
from cnn_jax.modules.strategies.base import SITES
from cnn_jax.modules.weighted import (
    AdaPool,
    DetailPreservingPool,
    GeMPool,
    LIPPool,
    LSEPool,
    OrdinalPool,
    StochasticPool,
)
from cnn_jax.ops import avg_pool
from cnn_jax.ops.importance import ada_pool, detail_preserving_pool
from cnn_jax.ops.ranked import rank_average_pool, rank_pool
from cnn_jax.ops.weighted import gem_pool, lse_pool, soft_pool, stochastic_pool

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 6, 3)), jnp.float32)
STRATEGIES = {
    'soft': strategies.Soft,
    'lse': strategies.LSE,
    'gem': strategies.GeM,
    'stochastic': strategies.Stochastic,
    'lip': strategies.LIP,
    'detail_preserving': strategies.DetailPreserving,
    'ada': strategies.Ada,
    'ordinal': strategies.Ordinal,
    'rank': strategies.Rank,
    'rank_average': strategies.RankAverage,
}
CEIL = ('lip', 'detail_preserving')


@pytest.mark.parametrize(
    'layer, shapes, start',
    [
        (GeMPool(), {'p': ()}, lambda x: gem_pool(x, window=2, p=3)),
        (GeMPool(3, 2, 2.0, True), {'p': (3,)}, lambda x: gem_pool(x, window=3, stride=2, p=2)),
        (LSEPool(), {'r': ()}, lambda x: lse_pool(x, window=2, r=10)),
        (LSEPool(2, 1, 4.0, True), {'r': (3,)}, lambda x: lse_pool(x, window=2, stride=1, r=4)),
        (
            LIPPool(),
            {'kernel': (3, 3, 3, 3), 'scale': (3,), 'bias': (3,)},
            lambda x: avg_pool(x, window=3, stride=2, padding='same'),
        ),
        (
            DetailPreservingPool(),
            {'lambda': (3,), 'alpha': (3,)},
            lambda x: detail_preserving_pool(x, power=1, bias=1),
        ),
        (
            DetailPreservingPool('full', False),
            {'lambda': (3,), 'alpha': (3,), 'kernel': (3, 3, 3)},
            lambda x: detail_preserving_pool(x, symmetric=False, kernel=jnp.full((3, 3, 3), 1 / 9)),
        ),
        (AdaPool(), {'beta': (3, 3)}, lambda x: ada_pool(x, window=2, beta=0.5)),
        (AdaPool(per_location=False), {'beta': ()}, lambda x: ada_pool(x, window=2, beta=0.5)),
        (OrdinalPool(), {'logits': (4, 3)}, lambda x: avg_pool(x, window=2)),
        (
            OrdinalPool(3, 2, False),
            {'logits': (9,)},
            lambda x: avg_pool(x, window=3, stride=2),
        ),
    ],
)
def test_a_layer_starts_where_it_says(layer, shapes, start):
    y, variables = jax.jit(layer.init_with_output)(KEY, X)
    parameters = variables['params']
    assert {name: p.shape for name, p in parameters.items()} == shapes
    assert all(p.dtype == jnp.float32 for p in parameters.values())
    np.testing.assert_allclose(y, jax.jit(start)(X), atol=1e-5)
    half = jax.eval_shape(layer.apply, variables, X.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    loss = jax.jit(jax.grad(lambda v: (jnp.asarray(layer.apply(v, X)) ** 2).sum()))
    gradients = loss(variables)['params']
    for name, gradient in gradients.items():
        if (type(layer), name) != (LIPPool, 'scale'):  # multiplies a map that is constant at first
            assert np.abs(gradient).max() > 1e-6, name


def test_lip_learns_from_its_zero_kernel():
    layer = LIPPool()
    variables = layer.init(KEY, X)
    gradient = jax.grad(lambda v: (jnp.asarray(layer.apply(v, X)) ** 2).sum())(variables)
    moved = jax.tree.map(lambda p, g: p - 0.01 * g, variables, gradient)
    change = np.asarray(layer.apply(moved, X)) - np.asarray(layer.apply(variables, X))
    assert np.abs(change).max() > 1e-2


def test_stochastic_pool_draws_in_training_only():
    layer = StochasticPool()
    first, again, other = (
        layer.apply({}, X, train=True, rngs={'downsample': jax.random.key(k)}) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()
    expected = stochastic_pool(X, window=2, train=False)
    np.testing.assert_array_equal(layer.apply({}, X, train=False), expected)


def test_ada_pool_says_why_another_size_does_not_fit():
    variables = AdaPool().init(KEY, X)
    with pytest.raises(ValueError, match=r'of shape \(3, 3\).*\(8, 8\) needs \(4, 4\): use'):
        AdaPool().apply(variables, jnp.ones((1, 8, 8, 3)))
    everywhere = AdaPool(per_location=False)
    assert everywhere.apply(everywhere.init(KEY, X), jnp.ones((1, 8, 8, 3))).shape == (1, 4, 4, 3)


@pytest.mark.parametrize('name', STRATEGIES)
@pytest.mark.parametrize('size', [(14, 14), (13, 9), (2, 3)])
def test_strategies_halve_maps_and_stand_at_every_site(name, size):
    strategy = STRATEGIES[name]()
    fixed = replace(strategy, window=3) if hasattr(strategy, 'window') else strategy
    assert all(fixed.at(site) == fixed for site in SITES) and fixed.conv_stride == 1
    x = jnp.ones((2, *size, 3))
    layer = Downsample(strategy)
    variables = jax.jit(partial(layer.init, train=False))(KEY, x)
    for train in (False, True):
        apply = jax.jit(partial(layer.apply, train=train, rngs={'downsample': KEY}))
        y = np.asarray(apply(variables, x))
        out = [-(-n // 2) if name in CEIL else n // 2 for n in size]
        assert y.shape == (2, *out, 3)
        gain = 1 - 0.5**4 if name == 'rank' else 1
        np.testing.assert_allclose(y, gain, atol=1e-6)


@pytest.mark.parametrize(
    'strategy, op',
    [
        (strategies.Soft(3, 1), lambda x: soft_pool(x, window=3, stride=1)),
        (strategies.LSE(3, 1, 2.0), lambda x: lse_pool(x, window=3, stride=1, r=2)),
        (strategies.GeM(3, 1, 2.0, True), lambda x: gem_pool(x, window=3, stride=1, p=2)),
        (
            strategies.Stochastic(3, 1),
            lambda x: stochastic_pool(x, window=3, stride=1, train=False),
        ),
        (strategies.LIP(5, 3), lambda x: avg_pool(x, window=5, stride=3, padding='same')),
        (
            strategies.DetailPreserving('lite', False, 3),
            lambda x: detail_preserving_pool(x, symmetric=False, stride=3),
        ),
        (strategies.Ada(3, 1), lambda x: ada_pool(x, window=3, stride=1)),
        (strategies.Ordinal(3, 1), lambda x: avg_pool(x, window=3, stride=1)),
        (
            strategies.Rank(3, 1, 0.3, True),
            lambda x: rank_pool(x, window=3, stride=1, alpha=0.3, normalise=True),
        ),
        (
            strategies.RankAverage(3, 1, 4),
            lambda x: rank_average_pool(x, window=3, stride=1, top=4),
        ),
    ],
)
def test_a_strategy_is_its_op(strategy, op):
    y, _ = Downsample(strategy).init_with_output(KEY, X, train=False)
    np.testing.assert_allclose(y, op(X), atol=1e-5)


@pytest.mark.parametrize(
    'make, said',
    [
        (lambda: strategies.Soft(window=0), 'Soft: window must be an int from 1 to 64; got 0'),
        (lambda: strategies.LSE(r=0), 'LSE: r must be a number above 0 to 1000; got 0'),
        (lambda: strategies.GeM(p=-1.0), r'GeM: p must be a number above 0 to 100; got -1\.0'),
        (lambda: strategies.GeM(per_channel=1), 'GeM: per_channel must be true or false; got 1'),
        (lambda: strategies.LIP(stride=0), 'LIP: stride must be an int from 1 to 16'),
        (lambda: strategies.DetailPreserving('ful'), "did you mean 'full'"),
        (lambda: strategies.DetailPreserving(symmetric='no'), 'symmetric must be true or false'),
        (lambda: strategies.Ada(per_location=None), 'per_location must be true or false'),
        (lambda: strategies.Ordinal(window=8), 'Ordinal: window must be an int from 1 to 7'),
        (lambda: strategies.Rank(alpha=1.5), 'Rank: alpha must be a number above 0 to 1; got 1.5'),
        (lambda: strategies.RankAverage(top=5), 'RankAverage: top must be an int from 1 to 4'),
    ],
)
def test_bad_fields_are_refused(make, said, unchecked):
    with pytest.raises(BadInput, match=said):
        make()
