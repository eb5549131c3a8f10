"""The layers and strategies of value-weighted pooling: starting points, randomness, placement."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.layers import Downsample
from cnn_jax.ops import avg_pool
from cnn_jax.ops.importance import ada_pool, detail_preserving_pool
from cnn_jax.ops.ranked import rank_average_pool, rank_pool
from cnn_jax.ops.weighted import gem_pool, lse_pool, soft_pool, stochastic_pool
from cnn_jax.strategies import (
    LIP,
    LSE,
    SITES,
    Ada,
    DetailPreserving,
    GeM,
    Ordinal,
    Rank,
    RankAverage,
    Soft,
    Stochastic,
)

KEY = jax.random.key(0)
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 6, 3)), jnp.float32)
STRATEGIES = {
    'soft': Soft,
    'lse': LSE,
    'gem': GeM,
    'stochastic': Stochastic,
    'lip': LIP,
    'detail_preserving': DetailPreserving,
    'ada': Ada,
    'ordinal': Ordinal,
    'rank': Rank,
    'rank_average': RankAverage,
}
CEIL = ('lip', 'detail_preserving')


@pytest.mark.parametrize(
    'strategy, shapes, start',
    [
        (GeM(), {'p': ()}, lambda x: gem_pool(x, window=2, p=3)),
        (
            GeM(3, 2, 2.0, True),
            {'p': (3,)},
            lambda x: gem_pool(x, window=3, stride=2, p=2),
        ),
        (LSE(), {'r': ()}, lambda x: lse_pool(x, window=2, r=10)),
        (
            LSE(2, 1, 4.0, True),
            {'r': (3,)},
            lambda x: lse_pool(x, window=2, stride=1, r=4),
        ),
        (
            LIP(),
            {'kernel': (3, 3, 3, 3), 'scale': (3,), 'bias': (3,)},
            lambda x: avg_pool(x, window=3, stride=2, padding='same'),
        ),
        (
            DetailPreserving(),
            {'lambda': (3,), 'alpha': (3,)},
            lambda x: detail_preserving_pool(x, power=1, bias=1),
        ),
        (
            DetailPreserving('full', False),
            {'lambda': (3,), 'alpha': (3,), 'kernel': (3, 3, 3)},
            lambda x: detail_preserving_pool(x, symmetric=False, kernel=jnp.full((3, 3, 3), 1 / 9)),
        ),
        (Ada(), {'beta': (3, 3)}, lambda x: ada_pool(x, window=2, beta=0.5)),
        (
            Ada(per_location=False),
            {'beta': ()},
            lambda x: ada_pool(x, window=2, beta=0.5),
        ),
        (Ordinal(), {'logits': (4, 3)}, lambda x: avg_pool(x, window=2)),
        (
            Ordinal(3, per_channel=False),
            {'logits': (9,)},
            lambda x: avg_pool(x, window=3, stride=2),
        ),
    ],
)
def test_a_layer_starts_where_it_says(strategy, shapes, start):
    layer = Downsample(strategy)
    y, variables = jax.jit(partial(layer.init_with_output, train=False))(KEY, X)
    apply = partial(layer.apply, train=False)
    parameters = variables['params']
    assert {name: p.shape for name, p in parameters.items()} == shapes
    assert all(p.dtype == jnp.float32 for p in parameters.values())
    np.testing.assert_allclose(y, jax.jit(start)(X), atol=1e-5)
    half = jax.eval_shape(apply, variables, X.astype(jnp.bfloat16))
    assert half.dtype == jnp.bfloat16
    loss = jax.jit(jax.grad(lambda v: (jnp.asarray(apply(v, X)) ** 2).sum()))
    gradients = loss(variables)['params']
    for name, gradient in gradients.items():
        if (type(strategy), name) != (
            LIP,
            'scale',
        ):  # multiplies a map that is constant at first
            assert np.abs(gradient).max() > 1e-6, name


def test_lip_learns_from_its_zero_kernel():
    layer = Downsample(LIP())
    variables = layer.init(KEY, X, train=False)
    apply = partial(layer.apply, x=X, train=False)
    gradient = jax.grad(lambda v: (jnp.asarray(apply(v)) ** 2).sum())(variables)
    moved = jax.tree.map(lambda p, g: p - 0.01 * g, variables, gradient)
    change = np.asarray(apply(moved)) - np.asarray(apply(variables))
    assert np.abs(change).max() > 1e-2


def test_stochastic_pool_draws_in_training_only():
    layer = Downsample(Stochastic())
    first, again, other = (
        layer.apply({}, X, train=True, rngs={'downsample': jax.random.key(k)}) for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (np.asarray(first) != np.asarray(other)).any()
    expected = stochastic_pool(X, window=2, train=False)
    np.testing.assert_array_equal(layer.apply({}, X, train=False), expected)


def test_ada_pool_says_why_another_size_does_not_fit():
    layer, other = Downsample(Ada()), jnp.ones((1, 8, 8, 3))
    with pytest.raises(BadInput, match=r'of shape \(3, 3\).*\(8, 8\) needs \(4, 4\): use'):
        layer.apply(layer.init(KEY, X, train=False), other, train=False)
    everywhere = Downsample(Ada(per_location=False))
    variables = everywhere.init(KEY, X, train=False)
    assert everywhere.apply(variables, other, train=False).shape == (1, 4, 4, 3)


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
        (Soft(3, 1), lambda x: soft_pool(x, window=3, stride=1)),
        (LSE(3, 1, 2.0), lambda x: lse_pool(x, window=3, stride=1, r=2)),
        (GeM(3, 1, 2.0, True), lambda x: gem_pool(x, window=3, stride=1, p=2)),
        (
            Stochastic(3, 1),
            lambda x: stochastic_pool(x, window=3, stride=1, train=False),
        ),
        (LIP(5, 3), lambda x: avg_pool(x, window=5, stride=3, padding='same')),
        (
            DetailPreserving('lite', False, 3),
            lambda x: detail_preserving_pool(x, symmetric=False, stride=3),
        ),
        (Ada(3, 1), lambda x: ada_pool(x, window=3, stride=1)),
        (Ordinal(3, 1), lambda x: avg_pool(x, window=3, stride=1)),
        (
            Rank(3, 1, 0.3, True),
            lambda x: rank_pool(x, window=3, stride=1, alpha=0.3, normalise=True),
        ),
        (
            RankAverage(3, 1, 4),
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
        (lambda: Soft(window=0), 'Soft: window must be an int from 1 to 64; got 0'),
        (lambda: LSE(r=0), 'LSE: r must be a number above 0 to 1000; got 0'),
        (lambda: GeM(p=-1.0), r'GeM: p must be a number above 0 to 100; got -1\.0'),
        (lambda: GeM(per_channel=1), 'GeM: per_channel must be true or false; got 1'),
        (lambda: LIP(stride=0), 'LIP: stride must be an int from 1 to 16'),
        (lambda: DetailPreserving('ful'), "did you mean 'full'"),
        (lambda: DetailPreserving(symmetric='no'), 'symmetric must be true or false'),
        (lambda: Ada(per_location=None), 'per_location must be true or false'),
        (lambda: Ordinal(window=8), 'Ordinal: window must be an int from 1 to 7'),
        (lambda: Rank(alpha=1.5), 'Rank: alpha must be a number above 0 to 1; got 1.5'),
        (lambda: RankAverage(top=5), 'RankAverage: top must be an int from 1 to 4'),
    ],
)
def test_bad_fields_are_refused(make, said, unchecked):
    with pytest.raises(BadInput, match=said):
        make()
