"""Dense networks: sizes, parameters, equivariance, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.inspection import summarize
from cnn_jax.inspection.sites import downsampling_inputs
from cnn_jax.layers import Downsample, DownsampleWithChoice
from cnn_jax.models import (
    build_model,
    count_parameters,
    model_names,
    output_of,
    require_output,
    variable_shapes,
)
from cnn_jax.runs import Comparison
from cnn_jax.strategies import (
    APS,
    LPS,
    Avg,
    Max,
    MaxUnpool,
    Mixed,
    Stride,
    TransposedConv,
    strategy_named,
    upsampling_named,
    upsampling_names,
)
from tests.ops.programs import run_compiled

IMAGE = (16, 24, 3)
DENSE = [name for output in ('mask', 'boxes', 'points') for name in model_names(output)]
SMALL = ('unet_small', 'centernet_small', 'keypoint_small')


def made(name='unet_small', downsample=None, **options):
    return build_model(name, downsample=downsample or Max(), num_classes=3, **options)


def output_shape(model, shape=IMAGE):
    images = jax.ShapeDtypeStruct((2, *shape), jnp.float32)
    output, _ = jax.eval_shape(
        lambda x: model.init_with_output(jax.random.key(0), x, train=False), images
    )
    assert output.dtype == jnp.float32
    return output.shape


@pytest.mark.parametrize(
    'name, channels, classes, options, parameters',
    [
        ('unet', 1, 2, {}, 31_030_658),  # figure 1 of the paper
        ('unet', 3, 1, {'norm': 'batch'}, 31_037_633),  # as in many ports to PyTorch
        ('unet_small', 3, 2, {}, 109_698),
        ('fcn8s', 3, 21, {}, 134_489_759),
        ('fcn32s', 3, 21, {}, 136_152_917),
        ('centernet_small', 3, 3, {}, 180_247),
        ('keypoint_small', 3, 5, {}, 180_117),
    ],
)
def test_parameters(name, channels, classes, options, parameters, unchecked):
    model = build_model(name, downsample=Max(), num_classes=classes, **options)
    assert count_parameters(variable_shapes(model, (32, 32, channels))) == parameters


def test_outputs_are_as_large_as_they_say(unchecked):
    assert output_shape(made()) == (2, 16, 24, 3)
    assert output_shape(made('unet'), (16, 32, 1)) == (2, 16, 32, 3)
    assert output_shape(made('unet', convolutions='valid'), (572, 188, 1)) == (2, 388, 4, 3)
    assert output_shape(made('fcn8s'), (32, 64, 3)) == (2, 32, 64, 3)
    assert output_shape(made('centernet_small')) == (2, 4, 6, 7)
    assert output_shape(made('keypoint_small')) == (2, 3, 2)


@pytest.mark.parametrize('downsample', ['stride', 'space_to_depth', 'gated', 'none', 'flc', 'tips'])
def test_strategies_of_every_kind_stand_in_them(downsample, unchecked):
    assert output_shape(made(downsample=strategy_named(downsample))) == (2, 16, 24, 3)


def test_one_share_for_the_whole_network_is_one_layer():
    params = variable_shapes(made(downsample=Mixed(share='net')), IMAGE)['params']
    assert 'pool' in params and 'pool1' not in params


BESIDE = {'aps_u': APS(), 'lpu': LPS()}


@pytest.mark.parametrize('name', upsampling_names())
def test_every_upsampling_stands_in_every_kind_of_network(name, unchecked):
    strategy = BESIDE.get(name, Max())
    upsample = upsampling_named(name)
    assert output_shape(made('unet_small', strategy, upsample=upsample)) == (2, 16, 24, 3)
    if name != 'max_unpool':
        wide = made('fcn8s', strategy, upsample=upsample)
        assert output_shape(wide, (64, 64, 3)) == (2, 64, 64, 3)


def test_handing_over_the_choice_changes_nothing_else():
    strategies = (Max(3, padding='same'), APS(filter_size=3, select_on='blurred'), LPS(hidden=2))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 6, 8, 3)), jnp.float32)

    def both(x):
        found = []
        for strategy in (*strategies, Avg()):
            variables = Downsample(strategy).init(jax.random.key(0), x, train=False)
            alone = Downsample(strategy).apply(variables, x, train=False)
            y, choice = DownsampleWithChoice(strategy).apply(variables, x, train=False)
            assert (choice is None) == (strategy.CHOICE is None)
            found.append((alone, y))
        return found

    for alone, y in run_compiled(both, x):
        np.testing.assert_array_equal(alone, y)


def random_variables(model, images, seed=0):
    """All numbers drawn: a mistake hides behind ones and zeros."""
    rng = np.random.default_rng(seed)
    shapes = variable_shapes(model, images.shape[1:])

    def draw(path, leaf):
        spread = 2.0 / np.sqrt(np.prod(leaf.shape[:-1])) if len(leaf.shape) > 1 else 0.1
        values = spread * rng.normal(size=leaf.shape)
        if path[-1].key in ('scale', 'var'):
            values = rng.uniform(0.5, 1.5, leaf.shape)
        return values.astype(np.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes)


def agreement(model, images) -> float:
    """The share of pixels whose class is the same under every circular shift, realigned."""
    shifts = list(np.ndindex(images.shape[1:3]))
    moved = np.concatenate([np.roll(images, shift, (1, 2)) for shift in shifts])
    variables = random_variables(model, images)
    found = run_compiled(lambda v, x: model.apply(v, x, train=False), variables, moved)
    logits = np.asarray(found)
    classes = (logits - logits.mean((1, 2), keepdims=True)).argmax(-1)  # so that all are there
    back = [np.roll(c, (-a, -b), (0, 1)) for c, (a, b) in zip(classes, shifts, strict=True)]
    assert len(np.unique(back[0])) == 3
    return float(np.mean([each == back[0] for each in back]))


def test_aps_and_lps_with_their_upsampling_are_equivariant_and_max_is_not():
    images = np.random.default_rng(1).normal(size=(1, 8, 8, 3)).astype(np.float32)
    circular = {'fill': 'circular', 'width': 4}
    for strategy in (APS(filter_size=3), LPS(hidden=4)):
        assert agreement(made(downsample=strategy, **circular), images) == 1
    assert agreement(made(**circular), images) < 0.95


def test_a_gradient_reaches_every_parameter_by_way_of_what_was_chosen():
    """In training; that of LPS's scores from both ways."""
    images = jnp.asarray(np.random.default_rng(1).normal(size=(2, 8, 8, 3)), jnp.float32)
    model = made(downsample=LPS(hidden=2), width=2, levels=2)
    variables = random_variables(model, images)

    def loss(params, key):
        y, _ = model.apply(
            {**variables, 'params': params},
            images,
            train=True,
            rngs={'downsample': key},
            mutable=['batch_stats'],
        )
        return jnp.sin(jnp.arange(y.size).reshape(y.shape) * y).sum()

    gradient = run_compiled(jax.grad(loss), variables['params'], jax.random.key(0))
    assert all(np.isfinite(leaf).all() and leaf.any() for leaf in jax.tree.leaves(gradient))


def test_half_precision_gives_wide_outputs(unchecked):
    for name in SMALL:
        output_shape(made(name, dtype=jnp.bfloat16))


def test_key_points_are_in_pixels():
    """Heat maps of one value everywhere: each point is the middle of the image."""
    model = made('keypoint_small', width=1)
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), variable_shapes(model, IMAGE))
    images = jnp.ones((1, *IMAGE))
    y = run_compiled(lambda v, x: model.apply(v, x, train=False), variables, images)
    np.testing.assert_allclose(y[0], [[7.5, 11.5]] * 3, rtol=1e-6)


@pytest.mark.parametrize(
    'name, strategy, options, shape, said',
    [
        ('unet_small', Max(), {}, (15, 21, 3), '12 or 16 high, 20 or 24 wide'),
        ('fcn8s', Max(), {}, (16, 64, 3), 'multiples of 32.* 32 high, 64 wide'),
        ('unet', Max(), {'convolutions': 'valid'}, (570, 572, 1), '556 or 572 high, 572 wide'),
        ('unet_small', Max(window=3), {}, IMAGE, r'pool1 \(Max.*makes 7x11 of 16x24'),
        ('unet_small', Stride(), {'upsample': MaxUnpool()}, IMAGE, "downsample=max only.*'matc"),
        ('fcn8s', Max(), {'upsample': MaxUnpool()}, (32, 32, 3), 'channels of those'),
        (
            'unet',
            Max(),
            {'convolutions': 'valid', 'upsample': MaxUnpool()},
            (188, 188, 1),
            "take convolutions='same'",
        ),
        ('unet_small', Max(), {'upsample': 'bilinear'}, IMAGE, r"upsampling_named\('bilinear'\)"),
    ],
)
def test_what_does_not_fit_is_refused(name, strategy, options, shape, said, unchecked):
    with pytest.raises(BadInput, match=said) as error:
        variable_shapes(made(name, strategy, **options), shape)
    assert '\n' not in str(error.value)


def test_unknown_upsamplings_offer_the_nearest(unchecked):
    with pytest.raises(BadInput, match="did you mean 'bilinear'"):
        upsampling_named('bilinaer')
    with pytest.raises(BadInput, match="did you mean 'filter_size'"):
        upsampling_named('blur_up', filter_sise=3)
    with pytest.raises(BadInput, match='filter_size must be an int from 1 to 7'):
        upsampling_named('blur_up', filter_size=9)


def test_networks_are_told_apart_by_their_output(unchecked):
    assert {output_of(name) for name in model_names()} == {'classes'}
    assert set(SMALL) < set(DENSE) and not set(DENSE) & set(model_names())
    with pytest.raises(BadInput, match="'unet_small' gives a mask of each image, not the class"):
        Comparison(strategies={'max': Max()}, model='unet_small')
    with pytest.raises(BadInput, match="'resnet18' gives the class of each image, not a mask"):
        require_output('resnet18', 'mask')
    with pytest.raises(BadInput, match="did you mean 'resnet18'"):
        require_output('resnet-18', 'classes')


def test_summaries_show_the_way_down_and_up():
    model = made(upsample=TransposedConv())
    layers = {layer.name: layer for layer in summarize(model, IMAGE).layers}
    assert layers['pool1'].output_shape == (8, 12, 16) and layers['pool1'].flops > 0
    up = layers['up2/conv']
    assert up.output_shape == (8, 12, 32) and up.multiply_adds == 4 * 6 * 4 * 64 * 32
    images = jnp.zeros((1, *IMAGE))
    variables = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), variable_shapes(model, IMAGE))
    assert set(downsampling_inputs(model, variables, images)) == {'pool1', 'pool2'}
