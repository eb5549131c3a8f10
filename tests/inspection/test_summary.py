"""Rows and totals of the summary: published costs, XLA's count, parameters, memory, the table."""

import json
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.flops import counted_flops
from cnn_jax.inspection import Summary, summarize, summary_dict
from cnn_jax.models import Network, build_model, variable_shapes
from cnn_jax.strategies import APS, FLC, Gated, Max, MaxBlur, Stride, strategy_named

IMAGENET = (224, 224, 3)


def summary_of(name: str, strategy=None, shape=IMAGENET, **options) -> Summary:
    model = build_model(name, downsample=strategy or Max(), num_classes=1000, **options)
    return summarize(model, shape)


@pytest.mark.parametrize(
    'name, parameters, multiply_adds',
    [
        ('alexnet', 61_100_840, 714_188_480),
        ('resnet50', 25_557_032, 4_089_184_256),
        ('mobilenet_v2', 3_504_872, 300_774_272),
    ],
)
def test_published_costs(name, parameters, multiply_adds):
    summary = summary_of(name)
    assert (summary.parameters, summary.multiply_adds) == (parameters, multiply_adds)


def xla_flops(model: Network, shape: tuple[int, int, int]) -> float:
    """XLA's count of the whole network."""
    variables, images = (
        variable_shapes(model, shape),
        jax.ShapeDtypeStruct((1, *shape), jnp.float32),
    )
    apply = partial(model.apply, train=False)
    return counted_flops(apply, variables, images)


@pytest.mark.parametrize(
    'name, strategy, shape',
    [
        ('alexnet', Max(), IMAGENET),
        ('vgg11_bn', Max(), (64, 64, 3)),
        ('resnet20', MaxBlur(), (32, 32, 3)),
        ('resnet20', strategy_named('lip'), (32, 32, 3)),
        ('resnet20', FLC(), (32, 32, 3)),
        ('preact_resnet18', APS(), (32, 32, 3)),
    ],
)
def test_flops_are_those_of_the_whole_network(name, strategy, shape):
    """With circular borders: XLA does not count the taps that lie on zeros."""
    options = {'downsample': strategy, 'num_classes': 10, 'fill': 'circular'}
    model = build_model(name, **options)
    counted = xla_flops(model, shape)
    assert 0.99 * counted < summarize(model, shape).flops <= counted


def test_a_multiply_add_is_two_and_a_bias_one():
    rows = {row.name: row for row in summary_of('convnet1', shape=(28, 28, 1)).layers}
    assert rows['conv1'].multiply_adds == 28 * 28 * 16 * 5 * 5
    assert rows['conv1'].flops == 2 * rows['conv1'].multiply_adds + 28 * 28 * 16
    assert rows['dense'].flops == 2 * 1568 * 1000 + 1000
    grouped = summary_of('resnext50_32x4d', shape=(32, 32, 3), small_images=True).layers
    conv2 = next(row for row in grouped if row.name == 'layer1_0/conv2')
    assert conv2.flops == 2 * conv2.multiply_adds == 2 * 32 * 32 * 128 * 3 * 3 * 128 // 32


def test_branches_share_the_count_of_their_layer():
    def branch_flops(strategy):
        rows = summary_of('resnet20', strategy, (32, 32, 3)).layers
        return {row.name.split('/')[-1]: row.flops for row in rows if 'downsample' in row.name}

    blur = branch_flops(MaxBlur())
    assert blur['main'] == 2 * blur['shortcut'] > 0  # of 32 and 16 channels
    aps = branch_flops(APS())
    assert aps['main'] > 2 * aps['shortcut'] > 0  # the choice is made on the main branch


@pytest.mark.parametrize('name', ['lps', 'tips', 'ada', 'diffstride', 'ddac', 'gated'])
def test_every_parameter_stands_in_one_row(name):
    summary = summary_of('resnet20', strategy_named(name), (32, 32, 3))
    assert sum(row.parameters for row in summary.layers) == summary.parameters


def test_layers_that_are_called_again_and_parameters_between_layers():
    shared = summary_of('resnet20', Gated(share='net'), (32, 32, 3)).layers
    pools = [row for row in shared if row.name.startswith('pool')]
    assert [row.name for row in pools] == ['pool', 'pool (2)', 'pool (3)', 'pool (4)']
    assert [row.parameters > 0 for row in pools] == [True, False, False, False]
    convnext = summary_of('convnext_tiny', shape=(32, 32, 3), small_images=True)
    assert sum(row.parameters for row in convnext.layers) == convnext.parameters
    assert [row.parameters for row in convnext.layers if row.name == 'stage1_0'] == [96]


def test_a_layer_that_gave_its_stride_away_has_no_row():
    rows = summary_of('convnet1', Stride(), (28, 28, 1)).layers
    assert [row.name for row in rows] == ['conv1', 'norm1', 'conv2', 'norm2', 'dense']
    assert [row.field.stride for row in rows[:4] if row.field] == [(2, 2)] * 2 + [(4, 4)] * 2


def test_memory_is_of_the_dtype_that_the_model_computes_in():
    wide = summary_of('convnet1', shape=(28, 28, 1))
    narrow = summary_of('convnet1', shape=(28, 28, 1), dtype=jnp.bfloat16)
    assert wide.layers[0].memory_bytes == 4 * 28 * 28 * 16
    assert narrow.layers[0].memory_bytes == 2 * 28 * 28 * 16
    assert narrow.layers[-1].memory_bytes == wide.layers[-1].memory_bytes == 4000
    assert narrow.parameter_bytes == wide.parameter_bytes == 4 * wide.parameters


@pytest.mark.parametrize(
    'options, whole',
    [
        ({}, ['dense']),
        ({'strategy': FLC()}, ['pool1', 'conv2', 'norm2', 'pool2', 'dense']),
        ({'strategy': APS()}, ['dense']),
        ({'norm': 'group'}, ['dense']),
        (
            {'activation': 'quadratic'},
            ['PolynomialActivation_0', 'pool1', 'conv2', 'norm2', 'PolynomialActivation_1']
            + ['pool2', 'dense'],
        ),
    ],
)
def test_what_sees_the_whole_image(options, whole):
    rows = summary_of('convnet1', shape=(28, 28, 1), **options).layers
    assert [row.name for row in rows if row.field is None] == whole


def test_averages_of_equal_windows_have_a_field_and_others_are_the_whole_image():
    def average(side):
        rows = summary_of('vgg11', shape=(side, side, 3)).layers
        return next(row.field for row in rows if row.name == 'average')

    field = average(448)
    assert field is not None and (field.size, field.stride) == ((182, 182), (64, 64))
    assert average(256) is None


def test_heights_and_widths_are_not_mixed_up():
    strategy = Max(3, padding=((0, 2), (1, 1)))
    row = summary_of('convnet1', strategy, (28, 30, 1)).layers[2]
    assert row.output_shape == (14, 15, 16)
    assert row.field is not None and row.field.start == (-2, -3)


def test_json():
    values = summary_dict(summary_of('convnet1', MaxBlur(), (28, 28, 1)))
    assert json.loads(json.dumps(values)) == values
    assert values['parameters'] == 1_582_344
    assert values['flops_per_example'] == sum(row['flops'] for row in values['layers'])
    pool, dense = values['layers'][2], values['layers'][-1]
    assert pool['receptive_field'] == {'size': [8, 8], 'stride': [2, 2], 'centre': [0.5, 0.5]}
    assert pool['kind'] == 'MaxBlur 4x4 /2' and pool['output_shape'] == [14, 14, 16]
    assert dense['receptive_field'] is None and dense['multiply_adds'] == 1_568_000


def test_the_table_is_aligned_and_ends_with_the_totals():
    summary = summary_of('lenet5', shape=(28, 28, 1))
    lines = str(summary).splitlines()
    rows = [line for line in lines if line.startswith('|')]
    assert len({len(line) for line in rows}) == 1 and len(rows) == len(summary.layers) + 3
    assert f' {summary.flops:,} ' in rows[-1] and rows[-1].startswith('| total ')
    assert any(line.startswith('Receptive field: ') for line in lines)
    assert str(summary).isascii() and max(map(len, lines[-4:])) <= 105


def test_bad_input():
    with pytest.raises(BadInput, match=r'layer pool5 .*smallest square image that fits is 32x32'):
        summary_of('vgg16', shape=(20, 20, 3))
    with pytest.raises(BadInput, match=r'each at least 1; got \(28, 28, 0\)'):
        summary_of('convnet1', shape=(28, 28, 0))
