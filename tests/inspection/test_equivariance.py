"""Shifts by fractions of a pixel, and shift-equivariant layers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.data import channel_statistics, load
from cnn_jax.errors import BadInput
from cnn_jax.inspection import equivariance_maps, plot_equivariance
from cnn_jax.models import ConvNet1, build_model
from cnn_jax.ops import fourier_shift
from cnn_jax.strategies import APS, Max, MaxBlur
from cnn_jax.style import png

POOLED = ['pool1', 'conv2', 'norm2', 'pool2']


def init(model, shape=(28, 28, 1)):
    return model.init(jax.random.key(0), jnp.zeros((1, *shape)), train=False)


@pytest.mark.parametrize('size', [7, 8])
def test_whole_shifts_are_rolls(size):
    x = jax.random.normal(jax.random.key(size), (2, size, size + 1, 3))
    for down, right in [(0, 0), (1, 0), (3, -2), (-5, 9)]:
        expected = jnp.roll(x, (down, right), (1, 2))
        np.testing.assert_allclose(fourier_shift(x, down, right), expected, atol=1e-5)


def test_a_wave_moves_by_half_a_pixel():
    place = np.arange(16)
    wave = jnp.asarray(np.cos(2 * np.pi * 3 * place / 16), jnp.float32).reshape(1, 1, 16, 1)
    moved = fourier_shift(wave, 0, 0.5)[0, 0, :, 0]
    np.testing.assert_allclose(moved, np.cos(2 * np.pi * 3 * (place - 0.5) / 16), atol=1e-5)


def test_two_half_shifts_are_a_whole_one_below_the_nyquist_frequency():
    x = jax.random.normal(jax.random.key(1), (1, 7, 9, 2))
    twice = fourier_shift(fourier_shift(x, 0.5, 0.5), 0.5, 0.5)
    np.testing.assert_allclose(twice, jnp.roll(x, (1, 1), (1, 2)), atol=1e-5)


def test_circular_aps_moves_with_its_image_exactly():
    """At multiples of the total stride; at every shift the answer stays."""
    model = ConvNet1(APS(padding='circular'), 10, fill='circular')
    images = jax.random.normal(jax.random.key(2), (3, 16, 16, 1))
    maps = equivariance_maps(model, init(model, (16, 16, 1)), images, max_shift=8)
    assert maps['conv1'].max() < 1e-6  # a circular convolution moves with every shift
    for name in ('pool1', *POOLED):
        assert maps[name].shape == (9, 9) and maps[name][::4, ::4].max() < 1e-6
    assert maps['dense'][::4, ::4].max() > 0.1  # a dense layer on the flat map does not stay


def test_a_max_pool_does_not_and_blur_helps_at_every_depth():
    test = load('shapes_tiny', log=lambda line: None).test.images[:20]
    (mean,), (std,) = channel_statistics(test)
    images = jnp.asarray((test / 255 - mean) / std, jnp.float32)
    found = {}
    for name, strategy in (('max', Max()), ('max_blur', MaxBlur())):
        model = ConvNet1(strategy, 10)
        maps = equivariance_maps(model, init(model), images, max_shift=3)
        assert all(values[0, 0] < 1e-6 for values in maps.values())
        found[name] = {layer: float(values.mean()) for layer, values in maps.items()}
    for layer in POOLED:
        assert 0 < found['max_blur'][layer] < found['max'][layer]


def test_by_hand():
    """The distance of the first convolution under a shift by one, by rolls and sums."""
    images = jax.random.normal(jax.random.key(3), (2, 28, 28, 1))
    model = ConvNet1(Max(), 10)
    variables = init(model)
    found = equivariance_maps(model, variables, images, max_shift=1)['conv1'][1, 0]

    def conv1(x):
        kernel = variables['params']['conv1']['kernel']
        return jax.lax.conv_general_dilated(
            x, kernel, (1, 1), 'SAME', dimension_numbers=('NHWC', 'HWIO', 'NHWC')
        )

    expected, after = jnp.roll(conv1(images), 1, 1), conv1(jnp.roll(images, 1, 1))
    apart = jnp.sqrt(((after - expected) ** 2).sum((1, 2, 3)))
    flat = expected - expected.mean((1, 2), keepdims=True)
    scale = jnp.sqrt((flat**2).sum((1, 2, 3)))
    np.testing.assert_allclose(found, (apart / scale).mean(), rtol=1e-4)


class Valid(nn.Module):
    """A convolution without padding, a strided one on an odd map, and a mean."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(4, (5, 5), padding='VALID', name='valid')(x)
        x = nn.Conv(4, (3, 3), strides=(2, 2), padding='VALID', name='strided')(x)
        return x.mean((1, 2), keepdims=True)


def test_a_layer_without_padding_moves_by_its_stride():
    images = jnp.zeros((1, 29, 29, 1)).at[:, 10:18, 10:18].set(1.0)  # far from the border
    model = Valid()
    maps = equivariance_maps(model, init(model, images.shape[1:]), images, max_shift=2)
    assert maps['valid'].max() < 1e-5
    assert maps['strided'][::2, ::2].max() < 1e-5 < 0.05 < maps['strided'][1, 1]


def test_a_map_of_one_pixel_is_compared_as_it_is():
    model = build_model('vgg11', downsample=Max(), num_classes=10, small_images=True)
    images = jax.random.normal(jax.random.key(0), (2, 32, 32, 3))
    maps = equivariance_maps(model, init(model, images.shape[1:]), images, max_shift=1)
    assert maps['pool5'][0, 0] < 1e-5 and 0 < maps['pool5'].max() < 10


def test_bad_input():
    model, images = ConvNet1(Max(), 10), jnp.zeros((1, 28, 28, 1))
    with pytest.raises(BadInput, match='max_shift must be from 0 to 27 pixels; got 28'):
        equivariance_maps(model, init(model), images, max_shift=28)


def test_the_picture():
    maps = {name: {f'layer{i}': np.full((4, 4), i / 5) for i in range(4)} for name in ('a', 'b')}
    figure = plot_equivariance(maps)
    assert len(figure.axes) == 9 and png(figure)
    assert {axes.get_images()[0].get_clim() for axes in figure.axes[:8]} == {(0, 0.6)}


def test_a_layer_that_one_network_has_not_leaves_its_place_empty():
    zeros = np.zeros((2, 2))
    maps = {'stride': {'conv': zeros}, 'max': {'conv': zeros, 'pool': zeros}}
    drawn = [len(axes.get_images()) for axes in plot_equivariance(maps).axes[:4]]
    assert drawn == [1, 0, 1, 1]
