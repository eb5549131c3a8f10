"""Weights on disk: exactly what was written is read again."""

import warnings

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.weights import load_weights, read_tensors, save_weights, to_torch, write_tensors
from tests.weights.made import IMAGE, network, variables


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'new' / 'resnet18.safetensors'


@pytest.fixture(scope='module')
def resnet18():
    model = network('resnet18')
    return model, variables(model)


def test_what_is_saved_is_loaded(file, resnet18):
    model, made = resnet18
    save_weights(file, made)
    assert set(read_tensors(file)) > {'params/conv1/kernel', 'batch_stats/layer4_1/norm2/var'}
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        loaded = load_weights(str(file), model, IMAGE)
    chex.assert_trees_all_equal(loaded, made)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(loaded))


def test_a_model_without_statistics_has_none(file):
    model = network('lenet5')
    save_weights(file, {'params': variables(model, (28, 28, 1))['params']})
    assert load_weights(file, model, (28, 28, 1))['batch_stats'] == {}


def test_views_are_written_as_they_read(file):
    tensor = np.arange(6.0).reshape(2, 3).T
    write_tensors(file, {'a': tensor, 'count': np.zeros((), np.int64)})
    read = read_tensors(file)
    np.testing.assert_array_equal(read['a'], tensor)
    assert read['count'].shape == ()


def test_differences_are_named(file, resnet18):
    model, made = resnet18
    params = dict(made['params'])
    params['conv2'] = params.pop('conv1')
    params['dense'] = {'kernel': np.zeros((512, 5)), 'bias': np.zeros(3, np.int8)}
    save_weights(file, made | {'params': params})
    with pytest.raises(BadInput) as error:
        load_weights(file, model, IMAGE)
    (line,) = str(error.value).splitlines()
    assert f'tensors of {file} do not fit this ResNet' in line
    assert '1 missing, 1 too many, 2 of another shape or type' in line
    assert 'params/conv1/kernel (7, 7, 3, 64) is missing' in line
    assert 'params/conv2/kernel (7, 7, 3, 64) is not in the model' in line
    assert 'params/dense/kernel is float64 (512, 5), the model has float32 (512, 3)' in line
    assert 'params/dense/bias is int8 (3,), the model has float32 (3,)' in line
    assert ' more' not in line


def test_ten_differences_are_named_and_the_rest_counted(file, resnet18):
    model, made = resnet18
    save_weights(file, made | {'batch_stats': {}})
    with pytest.raises(BadInput, match=r'and 30 more') as error:
        load_weights(file, model, IMAGE)
    assert str(error.value).count('is missing') == 10


def test_another_architecture_is_called_so(file, resnet18):
    model, made = resnet18
    save_weights(file, made)
    with pytest.raises(BadInput, match='this VGG of 22 .*they are of another architecture'):
        load_weights(file, network('vgg11'), IMAGE)


def test_a_cut_or_foreign_or_missing_file_is_one_line(file, resnet18):
    model, made = resnet18
    save_weights(file, made)
    whole = file.read_bytes()
    for content in (whole[:-1], whole[:100], whole[:4], b'', b'PK\x03\x04' + bytes(500)):
        file.write_bytes(content)
        with pytest.raises(BadInput, match='is no safetensors file, or is cut short') as error:
            load_weights(file, model, IMAGE)
        assert str(file) in str(error.value) and len(str(error.value).splitlines()) == 1
    for path in (file.with_name('none'), file.parent):
        with pytest.raises(BadInput, match=f'cannot read the weights {path}'):
            load_weights(path, model, IMAGE)


@pytest.mark.parametrize('dtype', [jnp.float16, jnp.bfloat16, np.float64])
def test_other_floats_become_float32_and_that_is_said_once(file, dtype):
    model, shape = network('convnet1'), (28, 28, 1)
    made = variables(model, shape)
    save_weights(file, jax.tree.map(lambda x: x.astype(dtype), made))
    with pytest.warns(UserWarning) as said:
        loaded = load_weights(file, model, shape)
    (warning,) = said
    assert '14 of 14 tensors are' in str(warning.message) and np.dtype(dtype).name in str(
        warning.message
    )
    chex.assert_trees_all_equal(loaded, jax.tree.map(lambda x: x.astype(dtype).astype('f4'), made))


def test_a_file_of_pytorch_is_pointed_to_from_torch(file):
    model, shape = network('lenet5'), (28, 28, 1)
    write_tensors(file, to_torch(model, variables(model, shape), shape))
    with pytest.raises(BadInput, match=r'use from_torch\(model, read_tensors\(path\)'):
        load_weights(file, model, shape)


def test_numbers_that_are_not_finite_are_loaded_and_said_once(file):
    model, shape = network('convnet1'), (28, 28, 1)
    made = jax.tree.map(np.array, variables(model, shape))
    made['params']['conv1']['bias' if 'bias' in made['params']['conv1'] else 'kernel'][..., 0] = (
        np.nan
    )
    save_weights(file, made)
    with pytest.warns(UserWarning, match='1 tensors hold NaN or infinity .* params/conv1') as said:
        load_weights(file, model, shape)
    assert len(said) == 1


@pytest.mark.parametrize('leaf', [None, jax.ShapeDtypeStruct((2,), jnp.float32), 'text'])
def test_what_is_no_array_of_numbers_is_not_written(leaf, file):
    with pytest.raises(BadInput, match='cannot write .*params/dense/bias.* must be an array of'):
        save_weights(file, {'params': {'dense': {'bias': leaf}}})
    assert not file.exists()


def test_a_failed_write_leaves_the_old_file(file, resnet18):
    save_weights(file, {'params': {'a': np.zeros(1)}})
    before = file.read_bytes()
    with pytest.raises(BadInput, match="variables must hold 'params' .*; got conv1"):
        save_weights(file, {'conv1': {}})
    assert file.read_bytes() == before and [p.name for p in file.parent.iterdir()] == [file.name]
