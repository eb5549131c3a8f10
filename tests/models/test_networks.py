"""Every architecture: its published parameter count, its small form, and all of its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.layers import ACTIVATIONS, NORMS, Downsample, Layers
from cnn_jax.models import (
    Classifier,
    build_model,
    count_parameters,
    for_images,
    variable_shapes,
)
from cnn_jax.models.resnet import ResidualBlock
from cnn_jax.strategies import Avg, Max, MaxBlur, Mixed, strategy_named

PARAMETERS = {
    'lenet5': 61_706,
    'convnet1': 29_034,
    'convnet1_3x3': 20_586,
    'convnet3': 33_946,
    'quicknet': 60_074,
    'alexnet': 61_100_840,
    'vgg16': 138_357_544,
    'vgg16_bn': 138_365_992,
    'googlenet': 6_624_904,
    'resnet18': 11_689_512,
    'resnet34': 21_797_672,
    'resnet50': 25_557_032,
    'resnet101': 44_549_160,
    'resnet152': 60_192_808,
    'resnext50_32x4d': 25_028_904,
    'wide_resnet50_2': 68_883_240,
    'densenet121': 7_978_856,
    'mobilenet_v2': 3_504_872,
    'convnext_tiny': 28_589_128,
    'resnet20': 269_722,
    'resnet56': 853_018,
}
SMALL = ('resnet18', 'googlenet', 'mobilenet_v2', 'convnext_tiny', 'vgg11_bn', 'alexnet')


def small_form(name, *, downsample, num_classes):
    model = build_model(name, downsample=downsample, num_classes=num_classes)
    shape = min(model.IMAGES, (32, 32, 3))
    return for_images(model, shape), shape


def published(name, downsample, **options):
    """The model with the classes of its paper's data, and the shape of its images."""
    model = build_model(name, downsample=downsample, num_classes=10, **options)
    classes = 1000 if model.IMAGES[0] == 224 else 10
    return model.clone(num_classes=classes), model.IMAGES


@pytest.mark.parametrize('name', PARAMETERS)
def test_published_parameters_which_fixed_strategies_leave_alone(name, unchecked):
    for strategy in (Max(), MaxBlur()):
        assert count_parameters(variable_shapes(*published(name, strategy))) == PARAMETERS[name]


def test_lenet_takes_images_of_28_and_of_32():
    model, _ = published('lenet5', Max())
    assert variable_shapes(model, (28, 28, 1)) == variable_shapes(model, (32, 32, 1))


def gradient_shapes(model, image_shape):
    """Traces one training step's gradient; computes nothing."""
    channels = image_shape[-1]
    classifier = Classifier(model, mean=(0.5,) * channels, std=(0.5,) * channels)
    images, key = jnp.zeros((2, *image_shape), jnp.uint8), jax.random.key(0)

    def loss(params, rest):
        logits, stats, added = classifier.train_logits({'params': params, **rest}, images, key)
        assert logits.shape == (2, model.num_classes) and logits.dtype == jnp.float32
        return logits.sum() + added, stats

    variables = jax.eval_shape(lambda: classifier.init(key, image_shape))
    rest = {'batch_stats': variables['batch_stats']}
    gradient, stats = jax.eval_shape(jax.grad(loss, has_aux=True), variables['params'], rest)
    assert jax.tree.structure(stats) == jax.tree.structure(rest['batch_stats'])
    return gradient


KINDS = ('lenet5', 'nin', 'preact_resnet18', 'resnet20', 'resnext50_32x4d', 'densenet121', *SMALL)


@pytest.mark.parametrize('downsample', ['max_blur', 'aps'])
@pytest.mark.parametrize('name', KINDS)
def test_every_kind_of_network_takes_the_strategies_of_the_comparison(name, downsample, unchecked):
    """That every model trains with them is `experiments.bench_models`, which takes minutes."""
    strategy = strategy_named(downsample)
    variable_shapes(*small_form(name, downsample=strategy, num_classes=10))


@pytest.mark.parametrize('downsample', ['stride', 'space_to_depth', 'lps', 'gated'])
@pytest.mark.parametrize('name', ['alexnet', 'googlenet', 'mobilenet_v2', 'convnext_tiny'])
def test_strategies_of_every_kind_stand_in_every_kind_of_network(name, downsample, unchecked):
    strategy = strategy_named(downsample)
    variable_shapes(*small_form(name, downsample=strategy, num_classes=10))


@pytest.mark.parametrize('downsample', ['aps', 'lps', 'stride', 'gated'])
@pytest.mark.parametrize('name', ['resnet18', 'vgg11_bn'])
def test_gradients(name, downsample):
    strategy = strategy_named(downsample)
    gradient_shapes(*small_form(name, downsample=strategy, num_classes=10))


@pytest.mark.parametrize('name', ['resnet18', 'vgg11', 'densenet121'])
def test_one_share_for_the_whole_network_is_one_layer(name):
    model, shape = small_form(name, downsample=Mixed(share='net'), num_classes=10)
    params = variable_shapes(model, shape)['params']
    logits = [key for key in jax.tree_util.tree_leaves_with_path(params) if 'alpha' in str(key[0])]
    assert len(logits) == 1 and 'pool' in params


@pytest.mark.parametrize('name', SMALL)
def test_28_pixels_fit_the_small_form(name):
    model, _ = small_form(name, downsample=Max(), num_classes=10)
    variable_shapes(model, (28, 28, 1))


FIRST = ('alexnet', 'googlenet', 'resnet18', 'mobilenet_v2', 'convnext_tiny')


@pytest.mark.parametrize('name', FIRST)
def test_the_first_convolution_is_an_optional_site(name, unchecked):
    plain, shape = published(name, MaxBlur())
    first = plain.clone(downsample_first=True)
    assert count_parameters(variable_shapes(first, shape)) == PARAMETERS[name]
    x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)

    def sizes(model):
        apply = model.apply
        variables = variable_shapes(model, shape)
        _, kept = jax.eval_shape(
            lambda v, x: apply(v, x, train=False, capture_intermediates=True), variables, x
        )
        return kept['intermediates'], variables

    with_first, _ = sizes(first)
    without, _ = sizes(plain)
    assert 'first' in with_first and 'first' not in without
    assert with_first['first']['__call__'][0].shape[1] in (112, 56, 55)
    # Max at that site is the published stride.
    published_first = variable_shapes(plain.clone(downsample=Max(), downsample_first=True), shape)
    assert published_first == variable_shapes(plain.clone(downsample=Max()), shape)


@pytest.mark.parametrize(
    'name, activation', [*(('lenet5', each) for each in ACTIVATIONS), ('resnet20', 'silu')]
)
def test_every_activation(name, activation):
    model, shape = small_form(name, downsample=Max(), num_classes=10)
    gradient_shapes(model.clone(activation=activation), shape)


@pytest.mark.parametrize(
    'name, norm',
    [*(('vgg11', each) for each in NORMS), ('resnet20', 'group'), ('convnext_tiny', 'batch')],
)
def test_every_norm(name, norm, unchecked):
    model, shape = small_form(name, downsample=Max(), num_classes=10)
    gradient = gradient_shapes(model.clone(norm=norm), shape)
    scales = [
        path for path, _ in jax.tree_util.tree_leaves_with_path(gradient) if 'norm' in str(path)
    ]
    assert bool(scales) == (norm != 'none')


@pytest.mark.parametrize('name', ['lenet5', 'resnet20', 'vgg11_bn'])
def test_half_precision_computes_in_it_and_keeps_the_rest_in_float32(name):
    model, shape = small_form(name, downsample=MaxBlur(), num_classes=10)
    model = model.clone(dtype=jnp.bfloat16)
    variables = variable_shapes(model, shape)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype('float32')}
    x = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    logits, kept = jax.eval_shape(
        lambda v, x: model.apply(v, x, train=False, capture_intermediates=True), variables, x
    )
    assert logits.dtype == jnp.float32
    kept = kept['intermediates']
    maps = [
        leaf for name in kept if name.startswith('conv') for leaf in jax.tree.leaves(kept[name])
    ]
    assert maps and all(leaf.dtype == jnp.bfloat16 for leaf in maps)


def test_dropout_acts_in_training_only():
    model, shape = small_form('vgg11', downsample=Max(), num_classes=10)
    model = model.clone(small_images=False)
    x = jnp.ones((1, *shape))
    variables = jax.eval_shape(lambda: model.init(jax.random.key(0), x, train=False))
    with pytest.raises(Exception, match='dropout'):
        jax.eval_shape(lambda v: model.apply(v, x, train=True), variables)


def test_a_wrong_number_of_channels_names_the_layer(unchecked):
    model, shape = small_form('resnet20', downsample=Max(), num_classes=10)
    variables = variable_shapes(model, shape)
    with pytest.raises(BadInput, match='layer conv1 was made for 3 channels; its input has 1'):
        jax.eval_shape(lambda v: model.apply(v, jnp.ones((1, 32, 32, 1)), train=False), variables)


@pytest.mark.parametrize('name, side, layer', [('vgg16', 31, 'pool5'), ('alexnet', 40, 'pool')])
def test_too_small_an_image_names_the_layer_and_the_smallest_that_fits(name, side, layer):
    model, _ = published(name, Max())
    with pytest.raises(BadInput, match=layer) as error:
        variable_shapes(model, (side, side, 3))
    smallest = int(str(error.value).rsplit('x', 1)[1].rstrip('.'))
    variable_shapes(model, (smallest, smallest, 3))
    with pytest.raises(BadInput):
        variable_shapes(model, (smallest - 1, smallest - 1, 3))


def test_strict_networks_say_what_fits(unchecked):
    model, _ = published('alexnet', Max(), strict=True)
    with pytest.raises(BadInput, match=r'layer conv1: .* are 223 and 227'):
        variable_shapes(model, (224, 224, 3))


def test_unknown_options_offer_the_nearest(unchecked):
    with pytest.raises(BadInput, match="did you mean 'small_images'"):
        build_model('resnet18', downsample=Max(), num_classes=10, small_image=True)
    with pytest.raises(BadInput, match="did you mean 'relu'"):
        variable_shapes(published('resnet18', Max(), activation='rellu')[0], (64, 64, 3))


def test_the_cifar_shortcut_is_the_map_and_zeros():
    layers = Layers(Avg(), train=False, norm='none')
    block = ResidualBlock(layers, ((6, 3, 1), (6, 3, 1)), downsample=True, project=False)
    x = jnp.abs(jnp.asarray(np.random.default_rng(0).normal(size=(1, 8, 8, 3)), jnp.float32))
    shapes = jax.eval_shape(block.init, jax.random.key(0), x)
    silent = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), shapes)
    y = np.asarray(jax.jit(block.apply)(silent, x))
    np.testing.assert_allclose(y[..., :3], x.reshape(1, 4, 2, 4, 2, 3).mean((2, 4)), atol=1e-6)
    assert y.shape == (1, 4, 4, 6) and not y[..., 3:].any()


def test_a_shared_layer_stands_at_the_sites_of_a_block_too():
    """An odd map: both branches round up, as the published strides do, not down as a max pool."""
    for strategy in (Mixed(share='net'), Mixed()):
        model, _ = small_form('resnet20', downsample=strategy, num_classes=10)
        x = jax.ShapeDtypeStruct((1, 7, 7, 3), jnp.float32)
        variables = variable_shapes(model, (7, 7, 3))
        _, kept = jax.eval_shape(
            lambda v, x, m=model: m.apply(v, x, train=False, capture_intermediates=True),
            variables,
            x,
        )
        assert kept['intermediates']['layer2_0']['__call__'][0].shape[1] == 4


@pytest.mark.parametrize(
    'shape, said',
    [
        ((28, 28, 3), r'got \(28, 28, 3\): give one image as images\[None\]'),
        ((28, 28), r'give one grey image as x\[None, ..., None\]'),
        ((1, 2, 28, 28, 3), r'images must be \(batch, height, width, channels\); got \(1, 2, 28'),
    ],
)
def test_images_of_another_rank_are_refused(shape, said, unchecked):
    model = build_model('convnet1', downsample=Max(), num_classes=2)
    with pytest.raises(BadInput, match=said):
        model.init(jax.random.key(0), jnp.zeros(shape), train=False)


@pytest.mark.parametrize('name', ['convnet1', 'resnet20', 'lenet5', 'convnext_tiny'])
def test_channels_first_is_refused_with_the_transpose(name, unchecked):
    model = build_model(name, downsample=Max(), num_classes=2)
    variables = variable_shapes(model, (32, 32, 3))
    images = jax.ShapeDtypeStruct((8, 3, 32, 32), jnp.float32)
    with pytest.raises(BadInput, match=r'for 3 channels; its input has 32.*\(0, 2, 3, 1\)'):
        jax.eval_shape(lambda v, x: model.apply(v, x, train=False), variables, images)
    classifier = Classifier(model, mean=(0.5,) * 3, std=(0.5,) * 3)
    with pytest.raises(BadInput, match=r'give jnp.transpose\(x, \(0, 2, 3, 1\)\)'):
        classifier.normalise(jnp.zeros((8, 3, 32, 32), jnp.uint8))
    with pytest.raises(BadInput, match=r'layer Downsample .*2-D only.*give one image as x\[None\]'):
        Downsample(strategy_named('flc')).apply({}, jnp.ones((8, 8, 3)), train=False)
