"""What decays and what Muon updates: the network's kernels, whatever a strategy's parameters."""

from dataclasses import fields, replace
from typing import get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.errors import BadInput
from cnn_jax.models import build_model
from cnn_jax.strategies import Strategy, strategy_named, strategy_names
from cnn_jax.training import Optimizer, make_optimizer, strategy_paths

SHAPE = (32, 32, 3)
NETWORKS = {
    'convnet1': """conv1 conv2 dense""",
    'preact_resnet18': """conv1 layer1_0/conv1 layer1_0/conv2 layer1_1/conv1 layer1_1/conv2
        layer2_0/conv1 layer2_0/conv2 layer2_0/shortcut_conv layer2_1/conv1 layer2_1/conv2
        layer3_0/conv1 layer3_0/conv2 layer3_0/shortcut_conv layer3_1/conv1 layer3_1/conv2
        layer4_0/conv1 layer4_0/conv2 layer4_0/shortcut_conv layer4_1/conv1 layer4_1/conv2 dense""",
}


def shared_in_every_way() -> dict[str, Strategy]:
    """Every registered strategy, once for each way in which its parameters can be shared."""
    found = {}
    for name in strategy_names():
        strategy = strategy_named(name)
        found[name] = strategy
        known = {field.name for field in fields(strategy)}
        for flag in {'per_channel', 'per_location'} & known:
            found[f'{name} {flag}'] = replace(strategy, **{flag: not getattr(strategy, flag)})
        shares = get_type_hints(type(strategy)).get('share')
        for share in get_args(shares):
            found[f'{name} {share}'] = replace(strategy, share=share)
    found['detail_preserving full'] = strategy_named('detail_preserving', variant='full')
    return found


def ones(network: str, strategy: Strategy) -> tuple[dict, frozenset]:
    """The parameters of the network, all one, and the paths of its strategies."""
    model = build_model(network, downsample=strategy, num_classes=10)
    images = jax.ShapeDtypeStruct((1, *SHAPE), jnp.float32)
    shapes = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    params = jax.tree.map(lambda p: np.ones(p.shape, np.float32), shapes['params'])
    return params, strategy_paths(model, SHAPE)


def moved(optimizer: Optimizer, params: dict, paths: frozenset) -> set[str]:
    """The paths of the parameters that a step with gradients of zero moves."""
    tx = make_optimizer(optimizer, epochs=1, steps_per_epoch=1, strategies=paths)
    updates, _ = tx.update(jax.tree.map(np.zeros_like, params), tx.init(params), params)
    return {name for name, update in named(updates).items() if np.any(update)}


def named(tree) -> dict[str, jax.Array]:
    leaves = jax.tree_util.tree_flatten_with_path(tree)[0]
    return {'/'.join(key.key for key in path): leaf for path, leaf in leaves}


@pytest.mark.parametrize('strategy', shared_in_every_way().values(), ids=shared_in_every_way())
def test_exactly_the_kernels_of_the_network_decay(strategy):
    decay = Optimizer(name='sgd', weight_decay=0.5)
    params, paths = ones('convnet1', strategy)
    expected = {f'{layer}/kernel' for layer in NETWORKS['convnet1'].split()}
    assert moved(decay, params, paths) == expected
    pooling = {name for name in named(params) if name.startswith('pool')}
    assert moved(replace(decay, decay_strategies=True), params, paths) == expected | pooling


@pytest.mark.parametrize(
    'name, network, strategy',
    [
        ('adamw', 'convnet1', 'ddac'),
        ('muon', 'convnet1', 'lps'),
        ('sgd', 'preact_resnet18', 'lps'),
    ],
)
def test_with_every_kind_of_decay_and_in_residual_blocks(name, network, strategy):
    params, paths = ones(network, strategy_named(strategy))
    expected = {f'{layer}/kernel' for layer in NETWORKS[network].split()}
    assert moved(Optimizer(name=name, weight_decay=0.5), params, paths) == expected


@pytest.mark.parametrize('strategy', ['tips', 'ddac'])
def test_muon_takes_the_convolutions_of_the_network_alone(strategy):
    """Adam's first step is one size everywhere; Muon's is not."""
    params, paths = ones('convnet1', strategy_named(strategy))
    rng = np.random.default_rng(0)
    grads = jax.tree.map(lambda p: jnp.asarray(rng.normal(size=p.shape), jnp.float32), params)
    tx = make_optimizer(Optimizer(name='muon'), epochs=1, steps_per_epoch=1, strategies=paths)
    updates, _ = tx.update(grads, tx.init(params), params)
    uneven = {n for n, u in named(updates).items() if jnp.ptp(jnp.abs(u)) > 1e-3 * jnp.abs(u).max()}
    assert uneven == {'conv1/kernel', 'conv2/kernel'}


class Mine(Strategy):
    """A strategy of one's own, whose convolution is Flax's."""

    name = 'mine'
    stride = 2

    def __call__(self, x, *, train, layer):
        return nn.Conv(x.shape[-1], (3, 3), strides=2)(x)


def test_kernels_of_ones_own_strategy():
    params, paths = ones('convnet1', Mine())
    assert 'pool1/Conv_0/kernel' in named(params) and paths == {('pool1',), ('pool2',)}
    expected = {'conv1/kernel', 'conv2/kernel', 'dense/kernel'}
    assert moved(Optimizer(name='sgd', weight_decay=0.5), params, paths) == expected


def test_decay_and_muon_ask_for_the_paths():
    for optimizer in (Optimizer(name='muon', weight_decay=0.0), Optimizer(weight_decay=0.5)):
        with pytest.raises(BadInput, match='strategies=strategy_paths'):
            make_optimizer(optimizer, epochs=1, steps_per_epoch=1)


def test_the_flag_is_true_or_false(unchecked):
    with pytest.raises(BadInput, match='decay_strategies must be True or False; got 1'):
        Optimizer(decay_strategies=1)
