"""Networks on images of height 1: sequences, with windows and strategies along one axis."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnn_jax.errors import BadInput
from cnn_jax.inspection import summarize
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.layers import Downsample
from cnn_jax.models import build_model, variable_shapes
from cnn_jax.runs.command_line import load_config
from cnn_jax.strategies import APS, Max, MaxBlur, Stride, strategy_named, strategy_names
from tests.transform.by_hand import draw

SIZE = (1, 40, 1)
CONFIG = Path(__file__).parents[2] / 'configs/mnist1d/all.py'


def by_hand(params, x, blurred):
    """convnet1 of a batch (batch, length, 1), with lax on one axis; norms as initialised."""
    for block in (1, 2):
        conv = params[f'conv{block}']
        numbers = ('NWC', 'WIO', 'NWC')
        x = lax.conv_general_dilated(x, conv['kernel'][0], (1,), 'SAME', dimension_numbers=numbers)
        x = jax.nn.relu((x + conv['bias']) / jnp.sqrt(1 + 1e-5))
        if blurred:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 1), (1, 1, 1), 'VALID')
            x = jnp.pad(x, ((0, 0), (1, 1), (0, 0)), mode='reflect')
            x = ((x[:, :-2] + 2 * x[:, 1:-1] + x[:, 2:]) / 4)[:, ::2]
        else:
            x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 1), (1, 2, 1), 'VALID')
    return x.reshape(len(x), -1) @ params['dense']['kernel'] + params['dense']['bias']


@pytest.mark.parametrize('strategy', [Max(), MaxBlur()])
def test_a_network_on_sequences_is_that_of_one_axis(strategy):
    model, x = build_model('convnet1', downsample=strategy, num_classes=10), draw(2, *SIZE)
    variables = model.init(jax.random.key(0), x, train=False)
    assert variables['params']['conv1']['kernel'].shape == (1, 5, 1, 16)
    found = np.asarray(model.apply(variables, x, train=False))
    wanted = by_hand(variables['params'], x[:, 0], isinstance(strategy, MaxBlur))
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_which_strategies_work_on_one_axis(unchecked):
    refused = set()
    for name in strategy_names():
        layer = Downsample(strategy_named(name), one_axis=True)
        try:
            jax.eval_shape(
                lambda x, layer=layer: layer.init(jax.random.key(0), x, train=False),
                jnp.ones((1, 1, 8, 4)),
            )
        except BadInput as error:
            assert '2-D only' in str(error)
            refused.add(name)
    assert {'aps', 'flc', 'haar', 'ddac'} <= refused and len(refused) < len(strategy_names()) / 2
    assert set(strategy_names()) - refused == set(load_config(CONFIG).strategies)


@pytest.mark.parametrize('name', ['resnet20', 'googlenet', 'densenet121'])
def test_other_networks_take_sequences(name):
    for strategy in (MaxBlur(), Stride()):
        model = build_model(name, downsample=strategy, num_classes=10)
        params = variable_shapes(model, (1, 128, 1))['params']
        kernels = [leaf.shape for leaf in jax.tree.leaves(params) if leaf.ndim == 4]
        assert kernels and {shape[0] for shape in kernels} == {1}


def test_fields_and_work_are_those_of_one_axis():
    summary = summarize(build_model('convnet1', downsample=MaxBlur(), num_classes=10), SIZE)
    pool = summary.layers[2]
    assert pool.name == 'pool1' and pool.output_shape == (1, 20, 16)
    assert pool.field == ReceptiveField(size=(1, 8), stride=(1, 2), start=(0, -3))
    assert summary.layers[0].multiply_adds == 40 * 5 * 16


def test_a_map_that_only_becomes_one_pixel_high_keeps_both_axes():
    model = build_model('convnet1', downsample=Stride(), num_classes=10)
    kernel = variable_shapes(model, (2, 8, 1))['params']['conv2']['kernel']
    assert kernel.shape == (5, 5, 16, 32)
    one = variable_shapes(model, (1, 1, 1))['params']['conv1']['kernel']
    assert one.shape == (5, 5, 1, 16)


def test_a_strategy_for_two_axes_says_so(unchecked):
    with pytest.raises(BadInput, match='layer pool1 .*APS.* is 2-D only'):
        variable_shapes(build_model('convnet1', downsample=APS(), num_classes=10), SIZE)
