"""Effective receptive fields, and their picture."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle

from cnn_jax.errors import BadInput
from cnn_jax.inspection import effective_receptive_field, plot_receptive_field, summarize
from cnn_jax.models import ConvNet1, build_model
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.style import png

SHAPE = (36, 40, 2)
MODEL = ConvNet1(MaxBlur(), 10)
KEY = jax.random.key(0)


@pytest.fixture(scope='module')
def noise() -> tuple[Mapping, jax.Array]:
    images = jax.random.normal(KEY, (3, *SHAPE))
    return jax.jit(lambda x: MODEL.init(KEY, x, train=False))(images), images


@pytest.mark.parametrize('layer', ['conv1', 'pool1', 'pool2'])
def test_it_fills_the_theoretical_field_of_the_centre_unit_and_nothing_else(layer, noise):
    variables, images = noise
    values = np.asarray(effective_receptive_field(MODEL, variables, images, layer))
    (row,) = (row for row in summarize(MODEL, SHAPE).layers if row.name == layer)
    assert values.shape == SHAPE[:2] and row.field is not None
    (top, bottom), (left, right) = row.field.of_unit(*(n // 2 for n in row.output_shape[:2]))
    inside = np.zeros(SHAPE[:2], bool)
    inside[top : bottom + 1, left : right + 1] = True
    assert not values[~inside].any()
    seen = values > 0
    assert seen[top, :].any() and seen[bottom, :].any()
    assert seen[:, left].any() and seen[:, right].any()


def test_it_is_the_mean_of_absolute_gradients(noise):
    variables, images = noise

    def centre(images):
        kernel = variables['params']['conv1']['kernel']
        y = jax.lax.conv_general_dilated(
            images, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )
        return y[:, 18, 20].sum()

    expected = jnp.abs(jax.grad(centre)(images)).mean((0, 3))
    found = effective_receptive_field(MODEL, variables, images, 'conv1')
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    'layer, said',
    [('dense', r'layer dense gives no map, but \(10,\)'), ('pol2', "did you mean 'pool2'")],
)
def test_layers_without_a_map(layer, said, noise):
    variables, images = noise
    with pytest.raises(BadInput, match=said):
        effective_receptive_field(MODEL, variables, images, layer)


def test_images_that_are_not_normalised(noise, unchecked):
    variables, images = noise
    for bad in (images.astype(jnp.uint8), images[:0], images[0]):
        with pytest.raises(BadInput, match='images must be floats .*, normalised as the model'):
            effective_receptive_field(MODEL, variables, bad, 'conv1')


def test_images_of_other_channels(noise):
    variables, images = noise
    with pytest.raises(BadInput, match='conv1 was made for 2 channels; its input has 1'):
        effective_receptive_field(MODEL, variables, images[..., :1], 'conv1')


def test_the_picture_over_an_image():
    layer = summarize(ConvNet1(Max(), 10), (28, 28, 1)).layers[5]
    figure = plot_receptive_field(jnp.ones((28, 28)), layer, image=np.full((28, 28, 1), 0.5))
    below, above = figure.axes[0].images
    assert (below.get_array() == 0.5).all() and above.get_alpha() == 0.65 and png(figure)


def test_the_picture_shows_pixels_and_the_theoretical_field():
    layer = summarize(ConvNet1(Max(), 10), (28, 28, 1)).layers[5]
    values = jnp.zeros((28, 28)).at[3, 5].set(2.0)
    figure = plot_receptive_field(values, layer)
    axes, bar = figure.axes
    assert axes.get_title().endswith('pool2\ntheoretical 16x16 (dashed), effective in colour')
    assert axes.get_xlabel() == 'column (pixels)' and axes.get_ylabel() == 'row (pixels)'
    assert bar.get_ylabel() == 'mean |gradient| / its maximum'
    (image,) = axes.images
    shown = np.asarray(image.get_array())
    assert image.get_cmap().name == 'cividis' and shown[3, 5] == shown.max() == 1
    box = next(patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert box.get_xy() == (5.5, 5.5) and (box.get_width(), box.get_height()) == (16, 16)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert left < -0.5 and right > 27.5 and bottom > 27.5 and top < -0.5
    assert axes.get_facecolor()[:3] == to_rgb('#e0e0e0')
    assert png(figure)[1:4] == b'PNG'


def test_the_picture_of_a_field_much_larger_than_the_image_shows_the_image():
    vgg16 = build_model('vgg16', downsample=Max(), num_classes=10)
    (layer,) = (row for row in summarize(vgg16, (32, 32, 3)).layers if row.name == 'pool5')
    assert layer.field is not None and layer.field.size == (212, 212)
    axes = plot_receptive_field(jnp.ones((32, 32)), layer, caption='seen').axes[0]
    assert axes.get_title().endswith('(larger than shown), effective in colour\nseen')
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert -20 < left < -0.5 and 31.5 < right < 52 and right - left == bottom - top


def test_the_picture_of_a_whole_image_and_of_no_gradient():
    layer = summarize(ConvNet1(Max(), 10, activation='quadratic'), (28, 28, 1)).layers[3]
    assert layer.field is None and layer.name == 'pool1'
    axes = plot_receptive_field(jnp.zeros((28, 28)), layer).axes[0]
    assert 'theoretical the whole image' in axes.get_title()
    box = next(patch for patch in axes.patches if isinstance(patch, Rectangle))
    assert box.get_xy() == (-0.5, -0.5) and box.get_width() == 28
    assert not np.asarray(axes.images[0].get_array()).any()
