"""Models of Flax Linen, Flax NNX and Equinox, on the weights they have."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import nnx

from cnn_jax import ops
from cnn_jax.models import build_model
from cnn_jax.strategies import Max, MaxBlur, Stride
from cnn_jax.transform import antialias, find_downsampling
from tests.transform.by_hand import blurred_conv, blurred_pool, draw


class Linen(nn.Module):
    """With dropout, batch norm, and an argument that is no array."""

    by_hand: bool = False

    @nn.compact
    def __call__(self, x, *, train):
        blur = ops.blur_pool if self.by_hand else lambda x, stride: x
        x = nn.Conv(4, (3, 3), strides=2, name='conv')(blur(x, stride=1))
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        if self.by_hand:
            x = blurred_pool(x, (3, 3), (2, 2), 'SAME')
        else:
            x = nn.max_pool(x, (3, 3), (2, 2), 'SAME')
        x = nn.Dropout(0.5, deterministic=not train)(x)
        return nn.Dense(5)(x.mean((1, 2)))


def test_linen_evaluates_and_trains():
    x = draw(2, 17, 16, 3)
    variables = Linen().init(jax.random.key(0), x, train=False)
    f, g = antialias(Linen().apply), Linen(by_hand=True).apply
    np.testing.assert_array_equal(
        jax.jit(lambda v: f(v, x, train=False))(variables),
        jax.jit(lambda v: g(v, x, train=False))(variables),
    )

    def loss(apply, variables):
        rngs = {'dropout': jax.random.key(1)}
        y, new = apply(variables, x, train=True, rngs=rngs, mutable=['batch_stats'])
        return (y**2).sum(), new

    found, wanted = (
        jax.jit(jax.value_and_grad(lambda v, h=h: loss(h, v), has_aux=True))(variables)
        for h in (f, g)
    )
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=1e-5), found, wanted)


def test_linen_paths():
    x = jax.ShapeDtypeStruct((2, 17, 16, 3), jnp.float32)
    variables = jax.eval_shape(lambda x: Linen().init(jax.random.key(0), x, train=False), x)
    sites = find_downsampling(Linen().apply, variables, x, train=False)
    assert [(site.kind, site.path) for site in sites] == [
        ('strided_conv', 'Linen/conv'),
        ('max_pool', 'Linen'),
    ]
    assert str(sites[0]) == 'strided_conv 3x3 /2 on 17x16, 3 channels, at Linen/conv'


class Nnx(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 4, (3, 3), strides=2, rngs=rngs)
        self.norm = nnx.BatchNorm(4, rngs=rngs)

    def __call__(self, x):
        return nnx.max_pool(nnx.relu(self.norm(self.conv(x))), (2, 2), strides=(2, 2))


def nnx_by_hand(model, x):
    x = model.conv(ops.blur_pool(x, stride=1))
    return ops.max_blur_pool(nnx.relu(model.norm(x)), window=2, stride=2)


def test_nnx_with_the_model_outside():
    model, x = Nnx(nnx.Rngs(0)), draw(2, 17, 16, 3)
    model.eval()
    np.testing.assert_allclose(antialias(model)(x), nnx_by_hand(model, x), atol=1e-6)
    found = nnx.jit(lambda model, x: antialias(model)(x))(model, x)
    np.testing.assert_allclose(found, nnx_by_hand(model, x), atol=1e-6)
    gradients = [
        nnx.grad(lambda model, f=f: (f(model)(x) ** 2).sum())(model)
        for f in (antialias, lambda model: lambda x: nnx_by_hand(model, x))
    ]
    a, b = map(jax.tree.leaves, gradients)
    assert len(a) == len(b) == 4
    for one, other in zip(a, b, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_nnx_as_a_function_of_its_state_trains_its_statistics():
    model, x = Nnx(nnx.Rngs(0)), draw(2, 17, 16, 3)
    graph, state = nnx.split(model)

    def apply(state, x):
        model = nnx.merge(graph, state)
        y = model(x)
        return y, nnx.state(model)

    y, new = jax.jit(antialias(apply))(state, x)
    np.testing.assert_allclose(y, nnx_by_hand(model, x), atol=1e-5)  # it moves the model's own
    for one, other in zip(jax.tree.leaves(new), jax.tree.leaves(nnx.state(model)), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


class Equinox(eqx.Module):
    conv: eqx.nn.Conv2d
    pool: eqx.nn.MaxPool2d
    activation: Callable = jax.nn.relu  # a leaf that is no array

    def __call__(self, x):  # (channels, height, width)
        return self.pool(self.activation(self.conv(x)))


def equinox_by_hand(model, x):
    bias = model.conv.bias[:, 0, 0][None, :, None, None]
    y = blurred_conv(x, model.conv.weight, (2, 2), ((1, 1), (1, 1)), 'NCHW') + bias
    return blurred_pool(model.activation(y), (3, 3), (2, 2), ((1, 1), (1, 1)), 'NCHW')


def test_equinox():
    conv = eqx.nn.Conv2d(3, 4, 3, stride=2, padding=1, key=jax.random.key(0))
    model, x = Equinox(conv, eqx.nn.MaxPool2d(3, 2, padding=1)), draw(2, 3, 17, 16)
    wanted = jax.jit(lambda x: equinox_by_hand(model, x))(x)
    for f in (jax.vmap(antialias(model)), antialias(jax.vmap(model))):
        np.testing.assert_array_equal(jax.jit(f)(x), wanted)
    as_argument = antialias(lambda model, x: jax.vmap(model)(x))
    np.testing.assert_allclose(as_argument(model, x), wanted, atol=1e-6)
    found, again = (
        eqx.filter_grad(lambda model, f=f: (f(model, x) ** 2).sum())(model)
        for f in (as_argument, equinox_by_hand)
    )
    np.testing.assert_allclose(found.conv.weight, again.conv.weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('strategy', [Max(), Stride()])
def test_networks_of_this_package(strategy):
    """Convolutions and max pools are known; for any other strategy there is `downsample`."""
    model = build_model('convnet1', downsample=strategy, num_classes=10)
    x = draw(2, 28, 28, 1)
    variables = model.init(jax.random.key(0), x, train=False)
    sites = find_downsampling(model.apply, variables, x, train=False)
    kind = 'max_pool' if strategy == Max() else 'strided_conv'
    assert [site.kind for site in sites] == [kind] * 2
    assert [site.path.split('/')[-1] for site in sites] in (['pool1', 'pool2'], ['conv1', 'conv2'])
    if strategy == Max():
        blurred = build_model('convnet1', downsample=MaxBlur(), num_classes=10)
        wanted = jax.jit(lambda v: blurred.apply(v, x, train=False))(variables)
        found = jax.jit(lambda v: antialias(model.apply)(v, x, train=False))(variables)
        np.testing.assert_array_equal(found, wanted)
