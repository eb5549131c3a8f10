"""What shapes cannot show: activations, norms, dropout and the order of layers, in numbers."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.errors import BadInput
from cnn_jax.layers import Layers
from cnn_jax.models import Classifier, build_model, variable_shapes
from cnn_jax.models.convnext import ConvNeXtBlock
from cnn_jax.models.preact_resnet import PreActBlock
from cnn_jax.strategies import Avg, Max

X = np.array([-4.0, -0.5, 0.0, 0.7, 8.0])
EXPECTED = {
    'relu': np.maximum(X, 0),
    'relu6': np.clip(X, 0, 6),
    'sigmoid': 1 / (1 + np.exp(-X)),
    'tanh': np.tanh(X),
    'gelu': [x * (1 + math.erf(x / 2**0.5)) / 2 for x in X],
    'silu': X / (1 + np.exp(-X)),
}


@pytest.mark.parametrize('name', EXPECTED)
def test_activations_are_their_formulas(name):
    y = Layers(Max(), train=False, activation=name).activate(jnp.asarray(X, jnp.float32))
    np.testing.assert_allclose(y, EXPECTED[name], atol=1e-6)


class Normalised(nn.Module):
    """One norm."""

    layers: Layers

    @nn.compact
    def __call__(self, x):
        return self.layers.normalise(x, name='norm')


@pytest.mark.parametrize('norm, groups', [('layer', None), ('group', 32), ('group', 1)])
def test_norms_of_single_examples(norm, groups):
    channels = 64 if groups == 32 else 6
    x = np.random.default_rng(0).normal(2, 3, (2, 3, 4, channels))
    module = Normalised(Layers(Max(), train=True, norm=norm, norm_epsilon=0.1))
    y, _ = module.init_with_output(jax.random.key(0), jnp.asarray(x, jnp.float32))
    if norm == 'layer':
        parts, axes = x, (-1,)
    else:
        parts, axes = x.reshape(2, 3, 4, groups, -1), (1, 2, 4)
    mean, variance = (f(parts, axis=axes, keepdims=True) for f in (np.mean, np.var))
    expected = ((parts - mean) / np.sqrt(variance + 0.1)).reshape(x.shape)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_batch_norm_and_its_running_statistics():
    x = np.random.default_rng(0).normal(2, 3, (4, 3, 4, 6))
    module = Normalised(Layers(Max(), train=True, norm_epsilon=0.1))
    arguments = jax.random.key(0), jnp.asarray(x, jnp.float32)
    variables = module.init(*arguments)
    y, updated = module.apply(variables, arguments[1], mutable=['batch_stats'])
    mean, variance = x.mean((0, 1, 2)), x.var((0, 1, 2))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(variance + 0.1), atol=1e-5)
    running = jax.tree.map(np.asarray, dict(updated)['batch_stats']['norm'])
    np.testing.assert_allclose(running['mean'], 0.1 * mean, atol=1e-5)
    np.testing.assert_allclose(running['var'], 0.9 + 0.1 * variance, atol=1e-5)


@pytest.mark.parametrize('name', ['nin', 'alexnet', 'mobilenet_v2', 'googlenet', 'vgg11'])
def test_dropout_acts_in_training_and_at_its_rate(name):
    model = build_model(name, downsample=Max(), num_classes=10)
    rates = set()

    def note(call, args, kwargs, context):
        if isinstance(context.module, nn.Dropout):
            rates.add((context.module.rate, context.module.deterministic))
        return call(*args, **kwargs)

    def apply(train, model):
        def forward(variables, x):
            rng = {'dropout': jax.random.key(0)}
            return model.apply(variables, x, train=train, rngs=rng, mutable=['batch_stats'])

        x = jax.ShapeDtypeStruct((1, *model.IMAGES), jnp.float32)
        variables = variable_shapes(model, model.IMAGES)
        with nn.intercept_methods(note):
            jax.eval_shape(forward, variables, x)

    apply(True, model.clone(dropout=0.3))
    apply(False, model.clone(dropout=0.4))
    assert rates == {(0.3, False), (0.4, True)}


def test_convnext_drops_blocks_ever_more_and_starts_near_the_identity():
    model = build_model('convnext_tiny', downsample=Max(), num_classes=10)
    model = model.clone(depths=(1, 1, 2, 1), drop_path=0.2, small_images=True)
    drops = []

    def note(call, args, kwargs, context):
        if isinstance(context.module, ConvNeXtBlock):
            drops.append(context.module.drop)
        return call(*args, **kwargs)

    with nn.intercept_methods(note):
        variable_shapes(model, (32, 32, 3))
    np.testing.assert_allclose(drops, [0, 0.05, 0.1, 0.15, 0.2], atol=1e-9)
    block = ConvNeXtBlock(Layers(Max(), train=False, norm='layer'))
    variables = block.init(jax.random.key(0), jnp.ones((1, 2, 2, 3)))
    np.testing.assert_array_equal(variables['params']['scale'], np.float32([1e-6] * 3))


def drawn(module, x, **options):
    """Variables of NumPy numbers, the same names as the module's."""
    rng = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: module.init(jax.random.key(0), x, **options))
    return jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(scale=0.4, size=leaf.shape), jnp.float32), shapes
    )


def convolved(x, parameters, padding):
    """By loops over the window, NumPy, float64; zeros around."""
    kernel = np.asarray(parameters['kernel'], np.float64)
    height, width = kernel.shape[:2]
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    rows, columns = padded.shape[1] - height + 1, padded.shape[2] - width + 1
    y = sum(
        padded[:, i : i + rows, j : j + columns] @ kernel[i, j]
        for i in range(height)
        for j in range(width)
    )
    return y + np.asarray(parameters.get('bias', 0.0))


def pooled(x, reduce):
    """Windows of 3 at stride 2, sizes rounded up; a window over the border holds what is inside."""
    rows, columns = (range(0, n - 1, 2) for n in x.shape[1:3])
    return np.stack(
        [np.stack([reduce(x[:, i : i + 3, j : j + 3], (1, 2)) for j in columns], 1) for i in rows],
        1,
    )


def test_nin_is_its_stages_two_different_pools_and_a_mean():
    model = build_model('nin', downsample=Max(), num_classes=3)
    x = np.random.default_rng(0).normal(size=(1, 9, 8, 2))
    variables = drawn(model, jnp.asarray(x, jnp.float32), train=False)
    params, y = variables['params'], x
    pools = {1: np.max, 2: np.mean}
    for stage, padding in ((1, 2), (2, 2), (3, 1)):
        for number in (1, 2, 3):
            around = padding if number == 1 else 0
            y = np.maximum(convolved(y, params[f'conv{stage}_{number}'], around), 0)
        if stage in pools:
            y = pooled(y, pools[stage])
    found = jnp.asarray(model.apply(variables, jnp.asarray(x, jnp.float32), train=False))
    np.testing.assert_allclose(found, y.mean((1, 2)), rtol=1e-4)


def test_a_preactivation_block_starts_its_shortcut_after_the_activation():
    block = PreActBlock(Layers(Avg(2), train=False, norm='none'), features=5, downsample=True)
    x = np.random.default_rng(0).normal(size=(1, 4, 6, 3))
    params = drawn(block, jnp.asarray(x, jnp.float32))['params']

    def halved(x):
        return x.reshape(1, 2, 2, 3, 2, -1).mean((2, 4))

    active = np.maximum(x, 0)
    y = halved(np.maximum(convolved(active, params['conv1'], 1), 0))
    expected = (
        convolved(y, params['conv2'], 1) + halved(active) @ params['shortcut_conv']['kernel'][0, 0]
    )
    found = jnp.asarray(block.apply({'params': params}, jnp.asarray(x, jnp.float32)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_half_precision_logits_of_nin_are_float32(unchecked):
    model = build_model('nin', downsample=Max(), num_classes=10, dtype=jnp.bfloat16)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 3)), jnp.float32)
    y = jnp.asarray(model.apply(drawn(model, x, train=False), x, train=False))
    assert y.dtype == jnp.float32 and (y != y.astype(jnp.bfloat16)).any()


@pytest.mark.parametrize(
    'name, options, said',
    [
        ('resnet18', {'num_classes': 0}, 'num_classes must be an int from 1 to'),
        ('resnet18', {'num_classes': True}, 'num_classes must be an int .* got True'),
        ('resnet18', {'num_classes': 10.0}, 'num_classes must be an int .* got 10.0'),
        ('vgg11', {'dropout': 1.0}, 'dropout must be a number from 0 to'),
        ('convnext_tiny', {'drop_path': -0.1}, 'drop_path must be a number from 0 to'),
        ('resnet18', {'norm_epsilon': 0.0}, 'norm_epsilon must be a number above 0'),
        ('resnet18', {'small_images': 'no'}, "small_images must be true or false; got 'no'"),
        ('resnet20', {'blocks': 0}, 'blocks must be an int from 1'),
        ('resnet18', {'depths': 3}, 'depths must be a tuple of ints'),
        ('convnext_tiny', {'depths': (1, 1)}, 'depths and features must be of one length'),
        (
            'resnet18',
            {'small_images': True, 'downsample_first': True},
            'leave out downsample_first',
        ),
        ('resnet18', {'downsample': 'max'}, "must be a strategy, like Max.* got 'max'"),
        ('resnet18', {'downsample': Max}, 'must be a strategy'),
    ],
)
def test_a_field_of_another_kind_is_named(name, options, said, unchecked):
    options = {'downsample': Max(), 'num_classes': 10} | options
    with pytest.raises(BadInput, match=said) as error:
        variable_shapes(build_model(name, **options), (64, 64, 3))
    assert 'cannot take images' not in str(error.value)


@pytest.mark.parametrize('shape', [32, (), (32, 32), (32.0, 32, 3), (0, 32, 3), (1, 32, 32, 3)])
def test_image_shapes(shape, unchecked):
    with pytest.raises(BadInput, match='image_shape must be height, width and channels'):
        variable_shapes(build_model('resnet20', downsample=Max(), num_classes=10), shape)


def test_the_smallest_square_may_be_smaller_than_the_image_that_does_not_fit():
    model = build_model('lenet5', downsample=Max(), num_classes=10)
    with pytest.raises(BadInput, match='the smallest square image that fits is 12x12'):
        variable_shapes(model, (40, 11, 1))
    assert variable_shapes(model, (28, 32, 1)) == variable_shapes(model, (28, 28, 1))
    strict = build_model('resnet20', downsample=Max(), num_classes=10, strict=True)
    with pytest.raises(BadInput, match='layer') as error:
        variable_shapes(strict, (35, 35, 3))
    assert 'smallest' not in str(error.value)


@pytest.mark.parametrize('mean, std', [((0.5,), (0.0,)), ((128.0,), (1.0,)), ((0.5,), (1.0, 1.0))])
def test_spreads_that_would_break_a_classifier(mean, std):
    model = build_model('convnet1', downsample=Max(), num_classes=10)
    with pytest.raises(BadInput, match='must hold a number for each channel'):
        Classifier(model, mean=mean, std=std)
