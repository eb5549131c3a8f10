"""The outputs of layers, by name, finite or not."""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops
from cnn_jax.errors import BadInput
from cnn_jax.inspection import layer_output, layer_outputs, summarize
from cnn_jax.models import ConvNet1, build_model
from cnn_jax.strategies import Max, strategy_named

MODEL, SHAPE = ConvNet1(Max(), 10), (28, 28, 1)


@pytest.fixture(scope='module')
def trained():
    images = jax.random.normal(jax.random.key(0), (2, *SHAPE))
    return MODEL.init(jax.random.key(1), images, train=False), images


def test_outputs_are_those_of_the_layers(trained):
    variables, images = trained
    outputs = layer_outputs(MODEL, variables, images)
    assert list(outputs) == [layer.name for layer in summarize(MODEL, SHAPE).layers]
    conv1 = variables['params']['conv1']
    expected = ops.conv(images, conv1['kernel']) + conv1['bias']
    np.testing.assert_allclose(outputs['conv1'], expected, atol=1e-5)
    expected = ops.max_pool(jax.nn.relu(outputs['norm1']), window=2)
    np.testing.assert_allclose(outputs['pool1'], expected, atol=1e-6)
    logits = cast(jax.Array, MODEL.apply(variables, images, train=False))
    np.testing.assert_allclose(outputs['dense'], logits, atol=1e-5)


@pytest.mark.parametrize('layer', ['conv1', 'pool1', 'conv2', 'dense'])
def test_one_layer_is_the_same_one(trained, layer):
    variables, images = trained
    np.testing.assert_allclose(
        layer_output(MODEL, variables, images, layer),
        layer_outputs(MODEL, variables, images)[layer],
        atol=1e-6,
    )


def test_the_branches_of_a_block_have_names():
    model = build_model(
        'resnet18', downsample=strategy_named('max_blur'), num_classes=10, small_images=True
    )
    images = jnp.ones((1, 32, 32, 3))
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    names = [layer.name for layer in summarize(model, (32, 32, 3)).layers]
    branch = next(name for name in names if name.endswith('/main'))
    shape = jax.eval_shape(lambda v, x: layer_output(model, v, x, branch), variables, images).shape
    assert shape == (1, 16, 16, 128)


def test_a_layer_that_is_not_there(trained):
    variables, images = trained
    with pytest.raises(BadInput, match="did you mean 'conv1'.*Allowed: conv1, conv2, dense"):
        layer_output(MODEL, variables, images, 'convv1')


def test_where_it_first_is_not_finite(trained):
    variables, images = trained
    kernel = variables['params']['conv2']['kernel'].at[0, 0, 0, 3].set(jnp.nan)
    params = {**variables['params'], 'conv2': {**variables['params']['conv2'], 'kernel': kernel}}
    broken = {**variables, 'params': params}
    with pytest.raises(BadInput, match=r'^conv2: .* not finite, the first at \(0, .*, 3\)'):
        layer_outputs(MODEL, broken, images)
    with pytest.raises(BadInput, match='^the images: 1 of 1568 values'):
        layer_outputs(MODEL, variables, images.at[1, 3, 4, 0].set(jnp.inf))


@pytest.mark.parametrize(
    'shape, said', [((1, 32, 32, 1), 'images of 32x32x1 do not fit'), ((1, 28, 28, 3), '1 channel')]
)
def test_images_of_another_size_or_of_other_channels(trained, shape, said):
    with pytest.raises(BadInput, match=said):
        layer_outputs(MODEL, trained[0], jnp.zeros(shape))


@pytest.mark.parametrize('images', [np.zeros((2, 28, 28, 1), np.uint8), np.zeros((28, 28, 1))])
def test_what_are_no_images(trained, images, unchecked):
    with pytest.raises(BadInput, match='images must be floats'):
        layer_outputs(MODEL, trained[0], jnp.asarray(images))
