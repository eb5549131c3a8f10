"""Gradient ascent on pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.inspection import deep_dream, house, layer_output, maximise_activation
from cnn_jax.models import ConvNet1
from cnn_jax.strategies import Max

MODEL, SHAPE, KEY = ConvNet1(Max(), 10), (28, 28, 1), jax.random.key(0)


@pytest.fixture(scope='module')
def variables():
    return MODEL.init(KEY, jnp.zeros((1, *SHAPE)), train=False)


@pytest.mark.parametrize('layer, channel', [('conv1', 3), ('dense', 7)])
def test_the_unit_likes_its_image_more_than_noise_and_the_key_decides(variables, layer, channel):
    def likes(image):
        return float(layer_output(MODEL, variables, image[None], layer)[..., channel].mean())

    found, again, other = (
        maximise_activation(
            MODEL, variables, layer, channel, image_shape=SHAPE, key=jax.random.key(k), steps=20
        )
        for k in (1, 1, 2)
    )
    noise = jax.random.normal(KEY, SHAPE) * found.std()
    assert likes(found) > likes(noise) + 0.5
    assert (found == again).all() and (found != other).any()


def test_smoothness_makes_it_smoother(variables):
    def roughness(smoothness):
        image = maximise_activation(
            *(MODEL, variables, 'conv1', 0),
            image_shape=SHAPE,
            key=KEY,
            steps=20,
            smoothness=smoothness,
        )
        return float(jnp.abs(jnp.diff(image, axis=0)).mean() / image.std())

    assert roughness(0.5) < 0.8 * roughness(0.0)


def test_a_dream_has_more_of_the_layer_and_keeps_its_size(variables):
    image = jnp.asarray(house(40).mean(-1, keepdims=True), jnp.float32)[:36]
    dream = deep_dream(MODEL, variables, image, 'conv2', key=KEY, steps=6)

    def energy(image):
        return float((layer_output(MODEL, variables, image[None], 'conv2') ** 2).mean())

    assert dream.shape == (36, 40, 1) and energy(dream) > 1.2 * energy(image)
    assert (dream == deep_dream(MODEL, variables, image, 'conv2', key=KEY, steps=6)).all()


@pytest.mark.parametrize(
    'call, said',
    [
        (lambda v: maximise_activation(MODEL, v, 'conv3', 0, image_shape=SHAPE, key=KEY), 'conv2'),
        (
            lambda v: maximise_activation(MODEL, v, 'conv1', 16, image_shape=SHAPE, key=KEY),
            'channel must be from 0 to 15 in conv1; got 16',
        ),
        (
            lambda v: deep_dream(MODEL, v, jnp.zeros(SHAPE), 'conv1', key=KEY, octaves=4),
            'the smallest of 4 octaves would be 10x10 pixels',
        ),
        (
            lambda v: deep_dream(MODEL, v, jnp.full(SHAPE, np.nan), 'conv1', key=KEY),
            'not finite',
        ),
    ],
)
def test_bad_input(variables, call, said):
    with pytest.raises(BadInput, match=said):
        call(variables)
