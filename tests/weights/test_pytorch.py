"""State dicts: names, layouts and strictness; parity of the numbers is in tests/peers."""

import chex
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from cnn_jax.errors import BadInput
from cnn_jax.models import model_names, variable_shapes
from cnn_jax.strategies import GeM, Max, MaxBlur
from cnn_jax.weights import (
    expected_normalisation,
    from_torch,
    read_tensors,
    to_torch,
    write_tensors,
)
from cnn_jax.weights.names import torch_names
from cnn_jax.weights.slots import slots
from tests.weights.made import IMAGE, network, variables

UNNAMED = ('convnet1', 'convnet1_3x3', 'convnet3', 'quicknet', 'nin')
UNNAMED += ('resnet20', 'resnet56', 'preact_resnet18')
NAMED = [name for name in model_names() if name not in UNNAMED]
UNBLURRED = ('lenet5', 'googlenet', 'convnext_tiny')


@pytest.fixture(scope='module')
def blurred():
    model = network('resnet18', MaxBlur(window=2, filter_size=3))
    made = variables(model)
    return model, made, to_torch(model, made, IMAGE, naming='antialiased_cnns')


@pytest.mark.parametrize('name', NAMED)
def test_every_layer_has_one_name(name):
    model = network(name)
    shapes = flatten_dict(variable_shapes(model, (64, 64, 1 if name == 'lenet5' else 3)), sep='/')
    for naming in ('torchvision',) if name in UNBLURRED else ('torchvision', 'antialiased_cnns'):
        names = torch_names(model, naming)
        theirs = [slot.name for slot in slots(name, shapes, names)]
        blurs = [f'{blur}.filt' for blur in names.blurs]
        assert len(theirs) == len(shapes)
        assert len({*theirs, *blurs}) == len(theirs) + len(blurs)
        assert bool(blurs) == (naming == 'antialiased_cnns')


@pytest.mark.parametrize('name, channels', [('alexnet', 256), ('vgg16_bn', 512), ('lenet5', 16)])
def test_the_first_dense_layer_is_reordered(name, channels):
    model = network(name)
    shapes = flatten_dict(variable_shapes(model, (64, 64, 1 if name == 'lenet5' else 3)), sep='/')
    names = torch_names(model, 'torchvision')
    found = {slot.path: slot.channels for slot in slots(name, shapes, names)}
    assert {path: c for path, c in found.items() if c} == {'params/dense1/kernel': channels}


@pytest.mark.parametrize(
    'name, shape',
    [
        ('lenet5', (32, 40, 1)),
        ('googlenet', IMAGE),
        ('resnext50_32x4d', IMAGE),
        ('densenet121', IMAGE),
        ('mobilenet_v2', IMAGE),
        ('convnext_tiny', IMAGE),
    ],
)
def test_there_and_back_again(name, shape):
    model = network(name)
    made = variables(model, shape)
    tensors = to_torch(model, made, shape)
    chex.assert_trees_all_equal(from_torch(model, tensors, shape), made)
    counters = [t for n, t in tensors.items() if n.endswith('num_batches_tracked')]
    assert len(counters) == sum(n.endswith('running_mean') for n in tensors)
    assert all(t == 0 and t.shape == () and t.dtype == np.int64 for t in counters)


def test_there_and_back_again_with_blurs(blurred):
    model, made, tensors = blurred
    chex.assert_trees_all_equal(from_torch(model, tensors, IMAGE), made)
    filters = {name: t.shape for name, t in tensors.items() if name.endswith('.filt')}
    assert filters == {
        'maxpool.1.filt': (64, 1, 3, 3),
        'layer2.0.conv2.0.filt': (128, 1, 3, 3),
        'layer2.0.downsample.0.filt': (64, 1, 3, 3),
        'layer3.0.conv2.0.filt': (256, 1, 3, 3),
        'layer3.0.downsample.0.filt': (128, 1, 3, 3),
        'layer4.0.conv2.0.filt': (512, 1, 3, 3),
        'layer4.0.downsample.0.filt': (256, 1, 3, 3),
    }
    np.testing.assert_array_equal(
        tensors['maxpool.1.filt'][7, 0] * 16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    )


def test_layouts():
    model = network('lenet5')
    made = variables(model, (32, 32, 1))
    tensors, params = to_torch(model, made, (32, 32, 1)), made['params']
    assert tensors['conv2.weight'][11, 4, 3, 1] == params['conv2']['kernel'][3, 1, 4, 11]
    assert tensors['fc2.weight'][80, 7] == params['dense2']['kernel'][7, 80]
    on_map = params['dense1']['kernel'].reshape(5, 5, 16, 120)
    assert tensors['fc1.weight'].reshape(120, 16, 5, 5)[9, 13, 4, 2] == on_map[4, 2, 13, 9]
    model = network('convnext_tiny', depths=(1, 1, 1, 1))
    scale = to_torch(model, variables(model), IMAGE)['features.3.0.layer_scale']
    assert scale.shape == (192, 1, 1)


def test_exported_arrays_can_be_written_by_anyone(tmp_path):
    model = network('lenet5')
    tensors = to_torch(model, variables(model, (28, 28, 1)), (28, 28, 1))
    assert all(tensor.flags.c_contiguous for tensor in tensors.values())
    write_tensors(tmp_path / 'file', tensors)
    chex.assert_trees_all_equal(read_tensors(tmp_path / 'file'), tensors)


def test_half_precision_is_exported_as_float32_and_imported_with_one_warning():
    model, shape = network('lenet5'), (28, 28, 1)
    tensors = to_torch(model, variables(model, shape), shape)
    half = {name: tensor.astype(jnp.bfloat16) for name, tensor in tensors.items()}
    with pytest.warns(UserWarning, match='10 of 10 tensors are bfloat16, now float32') as said:
        loaded = from_torch(model, half, shape)
    assert len(said) == 1
    rounded = {name: tensor.astype(np.float32) for name, tensor in half.items()}
    chex.assert_trees_all_equal(to_torch(model, loaded, shape), rounded)


@pytest.mark.parametrize(
    'tensors, said',
    [
        ('weights.safetensors', 'tensors must be a dict of names and arrays'),
        ({'state_dict': {'conv1.weight': np.zeros(1)}}, r"give tensors\['state_dict'\]"),
        ({}, 'there are no tensors at all'),
    ],
)
def test_what_is_no_state_dict(tensors, said, unchecked):
    with pytest.raises(BadInput, match=said):
        from_torch(network('lenet5'), tensors, (28, 28, 1))


def test_a_state_dict_with_a_word_before_every_name():
    model, shape = network('lenet5'), (28, 28, 1)
    tensors = to_torch(model, variables(model, shape), shape)
    with pytest.raises(BadInput, match="take 'module.' off the start of every name"):
        from_torch(model, {f'module.{name}': tensor for name, tensor in tensors.items()}, shape)


def test_a_state_dict_of_another_architecture(blurred):
    model, _, tensors = blurred
    with pytest.raises(BadInput, match='another architecture') as error:
        from_torch(network('vgg11_bn'), tensors, IMAGE)
    assert 'conv1.weight (64, 3, 7, 7) is not in the model' in str(error.value)
    assert 'features.0.weight (64, 3, 3, 3) is missing' in str(error.value)


def test_the_number_of_classes_is_told(blurred):
    model, _, tensors = blurred
    with pytest.raises(BadInput, match=r'2 of another .*fc.weight is float32 \(3, 512\)'):
        from_torch(model.clone(num_classes=4), tensors, IMAGE)


@pytest.mark.parametrize(
    'strategy', [Max(), MaxBlur(filter_size=3), MaxBlur(2, 4), MaxBlur(2, 3, padding='zero')]
)
def test_another_strategy_than_the_filters(strategy, blurred):
    model, made, tensors = blurred
    other = network('resnet18', strategy)
    with pytest.raises(BadInput, match=r'downsample=MaxBlur\(window=2, filter_size=3'):
        from_torch(other, tensors, IMAGE)
    if strategy != MaxBlur(2, 4):  # which is one of antialiased-cnns' too
        with pytest.raises(BadInput, match=r'downsample=MaxBlur\(window=2, filter_size=3'):
            to_torch(other, made, IMAGE, naming='antialiased_cnns')


def test_filters_must_be_binomial_and_of_one_size(blurred):
    model, _, tensors = blurred
    other = tensors | {'maxpool.1.filt': np.full((64, 1, 3, 3), 1 / 9, np.float32)}
    with pytest.raises(BadInput, match=r'maxpool\.1\.filt is not the binomial filter of size 3'):
        from_torch(model, other, IMAGE)
    for shape in ((64, 1, 9, 9), (64, 1, 0, 0), (64,)):
        other = tensors | {'maxpool.1.filt': np.ones(shape, np.float32)}
        with pytest.raises(BadInput, match=r'maxpool\.1\.filt is float32 \(64'):
            from_torch(model, other, IMAGE)


def test_names_shift_with_the_blur():
    model = network('mobilenet_v2', MaxBlur())
    tensors = to_torch(model, variables(model), IMAGE, naming='antialiased_cnns')
    assert tensors['features.2.conv.2.filt'].shape == (96, 1, 3, 3)
    assert tensors['features.2.conv.3.weight'].shape == (24, 96, 1, 1)
    assert {'features.1.conv.2.running_var', 'classifier.0.weight'} <= set(tensors)
    for first, second in ((False, 'features.4'), (True, 'features.5')):
        model = network('alexnet', MaxBlur(), downsample_first=first)
        names = torch_names(model, 'antialiased_cnns')
        assert names.layers['conv2'] == second
    model = network('resnet50', MaxBlur(2), downsample_first=True)
    assert set(torch_names(model, 'antialiased_cnns').blurs) >= {'maxpool.0', 'maxpool.2'}


def test_older_spelling_of_densenet_and_heads_of_googlenet():
    model = network('densenet121', depths=(1, 1), growth=4)
    made = variables(model)
    tensors = {
        name.replace('.norm1.', '.norm.1.').replace('.conv2.', '.conv.2.'): tensor
        for name, tensor in to_torch(model, made, IMAGE).items()
    }
    assert 'features.denseblock2.denselayer1.conv.2.weight' in tensors
    chex.assert_trees_all_equal(from_torch(model, tensors, IMAGE), made)
    model = network('googlenet')
    made = variables(model)
    tensors = to_torch(model, made, IMAGE) | {'aux1.fc1.weight': np.zeros((1024, 2048), 'f4')}
    chex.assert_trees_all_equal(from_torch(model, tensors, IMAGE), made)


def test_what_has_no_name_in_pytorch():
    model = network('resnet18', GeM())
    with pytest.raises(BadInput, match='ResNet has layers without a name in PyTorch: .*, pool1'):
        to_torch(model, variables(model), IMAGE)
    for model, naming in ((network('nin'), 'torchvision'), (network('lenet5'), 'antialiased_cnns')):
        shape = (32, 32, 1)
        with pytest.raises(BadInput, match=f'{naming} has no names for {type(model).__name__}'):
            to_torch(model, variables(model, shape), shape, naming=naming)
    with pytest.raises(BadInput, match='with downsample_first=True'):
        torch_names(network('mobilenet_v2', downsample_first=True), 'antialiased_cnns')


def test_bad_arguments(unchecked, blurred):
    model, made, tensors = blurred
    with pytest.raises(BadInput, match="did you mean 'torchvision'"):
        to_torch(model, made, IMAGE, naming='torch')
    with pytest.raises(BadInput, match='tensors must be NumPy arrays'):
        from_torch(model, {'conv1.weight': [1.0]}, IMAGE)
    with pytest.raises(BadInput, match='tensors of the variables do not fit this VGG'):
        to_torch(network('vgg11'), made, IMAGE)


@pytest.mark.parametrize('naming', ['torchvision', 'antialiased_cnns'])
def test_every_network_with_weights_has_its_normalisation(naming):
    """All that have names there, but LeNet-5, of which nobody gives weights."""
    for name in model_names():
        model = network(name)
        try:
            torch_names(model, naming)
        except BadInput:
            with pytest.raises(BadInput, match='no pretrained weights'):
                expected_normalisation(name, naming)
            continue
        if name == 'lenet5':
            continue
        found = expected_normalisation(name, naming)
        half = name == 'googlenet'
        assert found.mean == ((0.5,) * 3 if half else (0.485, 0.456, 0.406))
        assert found.std == ((0.5,) * 3 if half else (0.229, 0.224, 0.225))


def test_transform_input_takes_one_normalisation_to_the_other():
    """Torchvision's GoogLeNet: x * std / 0.5 + (mean - 0.5) / 0.5 of an ImageNet-normalised x."""
    ours, theirs = expected_normalisation('googlenet'), expected_normalisation('resnet50')
    pixels = np.random.default_rng(0).uniform(size=(5, 3))
    x = (pixels - theirs.mean) / theirs.std
    inside = x * (np.array(theirs.std) / 0.5) + (np.array(theirs.mean) - 0.5) / 0.5
    np.testing.assert_allclose(inside, (pixels - ours.mean) / ours.std, rtol=1e-12)
