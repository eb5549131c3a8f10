"""The parameters and randomness of LPS and TIPS, and the three strategies."""

import itertools
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.layers import Downsample
from cnn_jax.ops import learned_polyphase as lps
from cnn_jax.ops import tips
from cnn_jax.ops.polyphase import aps_pool
from cnn_jax.ops.pooling import max_pool
from cnn_jax.strategies import APS, LPS, MAX_POOL, SHORTCUT, SITES, TIPS, Site
from tests.ops.polyphase_checks import count_failures, normal

X = normal(2, 8, 6, 3)


def output(module, variables, x=X, **options) -> jax.Array:
    """The array that the module gives."""
    return jnp.asarray(module.apply(variables, x, **options))


def shapes(variables):
    return {name: value.shape for name, value in variables['params'].items()}


def test_lps_parameters():
    variables = Downsample(LPS(hidden=5)).init(jax.random.key(0), X, train=False)
    assert shapes(variables) == {'kernel': (3, 3, 3, 5), 'bias': (5,), 'mixing': (3, 3, 5, 5)}
    assert not variables['params']['bias'].any()
    assert all(value.dtype == jnp.float32 for value in variables['params'].values())


@pytest.mark.parametrize('select_on', ['input', 'blurred'])
def test_lps_is_its_ops(select_on):
    module = Downsample(LPS(window=1, hidden=5, filter_size=3, select_on=select_on))
    variables = module.init(jax.random.key(0), X, train=False)
    params = variables['params']
    parts = lps.lps_components(X, filter_size=3, select_on=select_on)
    logits = lps.lps_logits(parts, params['kernel'], params['bias'], params['mixing'])
    expected = lps.lps_pool(X, lps.lps_weights(logits, train=False), filter_size=3)
    y = output(module, variables, train=False)
    np.testing.assert_allclose(y, expected, atol=1e-6)


def test_lps_draws_in_training_only():
    module = Downsample(LPS(window=1))
    variables = module.init(jax.random.key(0), X, train=False)

    def draw(seed, **options):
        rngs = {'downsample': jax.random.key(seed)}
        return output(
            Downsample(replace(LPS(window=1), **options)), variables, train=True, rngs=rngs
        )

    assert (draw(1) == draw(1)).all() and (draw(1) != draw(2)).any()
    assert (draw(1, mode='convex') == draw(2, mode='convex')).all()
    np.testing.assert_allclose(
        output(Downsample(LPS(window=1, mode='convex')), variables, train=True),
        output(Downsample(LPS(window=1, mode='convex')), variables, train=False),
    )
    with pytest.raises(Exception, match='downsample'):
        module.apply(variables, X, train=True)


@pytest.mark.parametrize('mode', ['gumbel', 'convex'])
def test_the_scorer_of_lps_learns(mode):
    module = Downsample(LPS(window=1, mode=mode))
    variables = module.init(jax.random.key(0), X, train=False)
    rngs = {'downsample': jax.random.key(0)}
    gradient = jax.grad(lambda v: (output(module, v, train=True, rngs=rngs) ** 2).sum())(variables)
    assert all(g.any() and jnp.isfinite(g).all() for g in jax.tree.leaves(gradient))


def test_lps_of_every_circular_shift_is_a_roll():
    module, x = Downsample(LPS(window=1)), normal(8, 6, 2)
    variables = module.init(jax.random.key(0), x[None], train=False)
    outputs = np.asarray(module.apply(variables, x[None], train=False))[0]
    phases = {(i, j): np.asarray(x[i::2, j::2]) for i, j in np.ndindex(2, 2)}
    (chosen,) = [o for o, phase in phases.items() if np.array_equal(phase, outputs)]
    failures, _ = count_failures(lambda x: module.apply(variables, x, train=False), x, chosen)
    assert failures == 0


def test_tips_parameters_start_within_one_over_root_of_their_count():
    x = jnp.ones((1, 4, 4, 500))
    params = Downsample(TIPS()).init(jax.random.key(0), x, train=False)['params']
    assert shapes({'params': params}) == {'kernel': (3, 3, 1, 500), 'scale': (1, 500)}
    for name, limit in (('kernel', 1 / 3), ('scale', 1.0)):
        assert 0.98 * limit < abs(params[name]).max() <= limit
        np.testing.assert_allclose(params[name].std(), limit / 3**0.5, rtol=0.1)


def test_tips_is_its_op_and_sows_its_losses_in_training():
    x = normal(2, 7, 6, 3)
    module = Downsample(TIPS(window=1, mixing_weight=2.0, undo_weight=3.0))
    variables = module.init(jax.random.key(0), x, train=True)
    assert set(variables) == {'params'}
    kernel, scale = variables['params']['kernel'][:, :, 0], variables['params']['scale'][0]
    expected = tips.tips_pool(x, kernel, scale)
    for train in (True, False):
        np.testing.assert_array_equal(output(module, variables, x, train=train), expected)
    rngs = {'downsample': jax.random.key(0)}
    _, state = module.apply(variables, x, train=True, rngs=rngs, mutable=['losses'])
    sown = {name: float(jnp.asarray(value[0])) for name, value in state['losses'].items()}
    tau = tips.tips_weights(tips.tips_features(x, kernel), scale)
    assert sown['mean_mixing'] == pytest.approx(2 * float(tips.tips_mixing_loss(tau)))
    assert sown['mean_undo'] > 0
    _, state = module.apply(variables, x, train=False, mutable=['losses'])
    assert not state.get('losses')
    silent = Downsample(TIPS(window=1, mixing_weight=0.0, undo_weight=0.0))
    _, state = silent.apply(variables, x, train=True, mutable=['losses'])
    assert not state.get('losses')


STRATEGIES = [APS(), LPS(), TIPS(), APS(filter_size=3), LPS(filter_size=2, mode='convex')]


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
@pytest.mark.parametrize('size', [(8, 6), (7, 9), (5, 4), (3, 3)])
def test_sizes_of_strategies(strategy, size):
    x = jnp.ones((2, *size, 3), jnp.bfloat16)
    rngs = {'params': jax.random.key(0), 'downsample': jax.random.key(1)}
    y, _ = jax.eval_shape(partial(Downsample(strategy).init_with_output, train=True), rngs, x)
    assert y.shape == (2, -(-size[0] // 2), -(-size[1] // 2), 3) and y.dtype == x.dtype


@pytest.mark.parametrize('strategy', STRATEGIES, ids=repr)
def test_only_a_max_pool_gets_the_max(strategy):
    assert strategy.at(MAX_POOL) == replace(strategy, window=2) and strategy.conv_stride == 1
    assert strategy.at(Site('max_pool', window=3)) == replace(strategy, window=3)
    for site in set(SITES) - {MAX_POOL}:
        assert strategy.at(site) == replace(strategy, window=1)


def test_aps_strategy_is_a_circular_max_and_the_op():
    options = {'filter_size': 3, 'norm': 'max', 'select_on': 'blurred'}
    grown = jnp.pad(X, ((0, 0), (0, 1), (0, 1), (0, 0)), mode='wrap')
    expected = aps_pool(max_pool(grown, window=2, stride=1), **options)
    np.testing.assert_array_equal(Downsample(APS(**options)).apply({}, X, train=False), expected)
    np.testing.assert_array_equal(
        Downsample(APS(**options)).apply({}, X, site=SHORTCUT, train=False),
        aps_pool(X, **options),
    )


def test_aps_strategy_of_every_circular_shift_is_a_roll():
    x, layer = normal(8, 6, 2), Downsample(APS(filter_size=3))
    wins = [
        offsets
        for offsets in itertools.product(range(2), range(2))
        if count_failures(lambda x: layer.apply({}, x, train=False), x, offsets)[0] == 0
    ]
    assert len(wins) == 1


@pytest.mark.parametrize(
    'strategy, field, value',
    [
        (strategy, field, value)
        for strategy in (APS, LPS, TIPS)
        for field, value in [('window', 0), ('stride', 0), ('stride', 2.0)]
    ]
    + [
        (APS, 'filter_size', 8),
        (APS, 'padding', 'mirror'),
        (APS, 'norm', 'l3'),
        (APS, 'select_on', 'both'),
        (LPS, 'filter_size', 0),
        (LPS, 'padding', 'mirror'),
        (LPS, 'hidden', 0),
        (LPS, 'mode', 'hard'),
        (LPS, 'select_on', 'both'),
        (LPS, 'temperature', 0.0),
        (TIPS, 'mixing_weight', -1.0),
        (TIPS, 'undo_weight', float('nan')),
    ],
)
def test_bad_fields_are_named(strategy, field, value, unchecked):
    with pytest.raises(BadInput, match=field) as error:
        strategy(**{field: value})
    assert strategy.__name__ in str(error.value)
