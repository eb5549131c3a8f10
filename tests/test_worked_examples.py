"""The worked examples of convolutional-network textbooks, computed by cnn_jax.

Each test names the topic under which the sources teach it.
"""

import itertools
import math
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from cnn_jax import ops
from cnn_jax.layers.layers import Layers
from cnn_jax.models import count_parameters, variable_shapes
from cnn_jax.strategies import Max
from cnn_jax.training import Optimizer, make_optimizer

ETA = 0.1


def filter_1d(x, kernel, bias=0.0, *, pad):
    """A 1-D correlation of a list with a kernel, by the library's 2-D one; pad: (low, high)."""
    image = jnp.asarray(x, jnp.float32).reshape(1, 1, -1, 1)
    weights = jnp.asarray(kernel, jnp.float32).reshape(1, -1, 1, 1)
    return ops.conv(image, weights, padding=((0, 0), pad))[0, 0, :, 0] + bias


def map_of(rows):
    """A (1, height, width, 1) map."""
    return jnp.asarray(rows, jnp.float32)[None, :, :, None]


# Filters on a one-dimensional binary image


def test_left_edges_on_a_binary_image():
    image = [0, 0, 1, 1, 1, 0, 1, 0]
    edges = filter_1d(image, [-1, 1], pad=(1, 0))  # uses (x[i - 1], x[i])
    assert edges.tolist() == [0, 0, 1, 0, 0, -1, 1, -1]
    assert np.flatnonzero(edges == 1).tolist() == [2, 6]


def test_isolated_pixels_and_the_image_that_a_filtered_one_came_from():
    filtered = (-1, 0, -1, 0, -2, 1, -1, 0)
    with_bias = (-0.5, 0.5, -0.5, 0.5, -1.5, 1.5, -0.5, 0.5)
    images = jnp.array(list(itertools.product((0, 1), repeat=8)), jnp.float32)
    kernel = jnp.array([-1.0, 1, -1]).reshape(1, 3, 1, 1)
    all_filtered = ops.conv(images[:, None, :, None], kernel)[:, 0, :, 0]
    came_from = images[(all_filtered == jnp.array(filtered)).all(1)]
    assert came_from.tolist() == [[0, 1, 1, 1, 0, 1, 0, 0]]  # one image only
    assert filter_1d(came_from[0], [-1, 1, -1], pad=(1, 1)).tolist() == list(filtered)
    assert filter_1d(came_from[0], [-1, 1, -1], 0.5, pad=(1, 1)).tolist() == list(with_bias)
    isolated = filter_1d(came_from[0], [-1, 1, -1], pad=(1, 1)) > 0
    assert np.flatnonzero(isolated).tolist() == [5]  # the 1 between two 0s


def test_convolution_is_correlation_with_the_flipped_kernel():
    x, kernel = np.array([1.0, 2, 0, -1, 3]), np.array([2.0, -1, 0.5])
    correlated = filter_1d(x, kernel, pad=(2, 2))
    convolved = filter_1d(x, kernel[::-1], pad=(2, 2))
    np.testing.assert_allclose(convolved, np.convolve(x, kernel), atol=1e-6)
    np.testing.assert_allclose(correlated, np.correlate(x, kernel, 'full'), atol=1e-6)
    assert not np.allclose(correlated, convolved)
    symmetric = [1.0, 2, 1]
    np.testing.assert_allclose(
        filter_1d(x, symmetric, pad=(2, 2)), np.convolve(x, symmetric), atol=1e-6
    )


# Filter banks and tensor filters


def bars(n=9):
    """An image with a vertical bar in column 2, a horizontal one in row 6, and their crossing."""
    image = np.zeros((n, n), np.float32)
    image[1:6, 2] = 1
    image[7, 3:8] = 1
    return image


def test_a_bank_of_two_filters_and_a_tensor_filter_over_its_maps():
    n, image = 9, bars()
    bank = np.zeros((3, 3, 1, 2), np.float32)
    bank[:, 1, 0, 0] = 1  # vertical bar
    bank[1, :, 0, 1] = 1  # horizontal bar
    maps = ops.conv(map_of(image), jnp.asarray(bank))
    assert maps.shape == (1, n, n, 2)
    vertical, horizontal = np.asarray(maps[0] == 3).transpose(2, 0, 1)
    assert np.argwhere(vertical).tolist() == [[2, 2], [3, 2], [4, 2]]
    assert np.argwhere(horizontal).tolist() == [[7, 4], [7, 5], [7, 6]]
    # Two vertical bars one above the other in the first map, two horizontal side by side in the
    # second: a filter over both maps, whose output is one map.
    tensor = np.zeros((3, 3, 2, 1), np.float32)
    tensor[:2, 1, 0, 0] = 1
    tensor[1, :2, 1, 0] = 1
    found = ops.conv((maps == 3).astype(jnp.float32), jnp.asarray(tensor))
    assert found.shape == (1, n, n, 1)
    expected = [[3, 2], [4, 2], [7, 5], [7, 6]]
    assert np.argwhere(np.asarray(found[0, :, :, 0]) == 2).tolist() == expected


# Sizes and parameters


@pytest.mark.parametrize(
    'shape, window, stride, features, expected',
    [
        ((6, 6, 3), 3, 1, 4, (4, 4, 4)),
        ((32, 32, 3), 5, 1, 5, (28, 28, 5)),
        ((227, 227, 3), 11, 4, 96, (55, 55, 96)),
    ],
)
def test_sizes_of_convolutions(shape, window, stride, features, expected):
    kernel = jax.ShapeDtypeStruct((window, window, shape[-1], features), jnp.float32)
    images = jax.ShapeDtypeStruct((1, *shape), jnp.float32)
    y = jax.eval_shape(lambda x, k: ops.conv(x, k, stride=stride, padding='valid'), images, kernel)
    assert y.shape == (1, *expected)
    size = ops.output_size(shape[:2], window=window, stride=stride, strict=True)
    assert size == expected[:2]


@pytest.mark.parametrize(
    'before, after', [((64, 64, 3), (32, 32, 3)), ((224, 224, 64), (112, 112, 64))]
)
def test_max_pooling_two_by_two_keeps_a_quarter(before, after):
    y = jax.eval_shape(
        lambda x: ops.max_pool(x, window=2, stride=2),
        jax.ShapeDtypeStruct((1, *before), jnp.float32),
    )
    assert y.shape == (1, *after)
    assert 4 * y.size == math.prod(before)


def test_a_dense_layer_on_an_image_is_too_large_and_a_convolution_is_not():
    class Dense(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(1000, use_bias=False)(x.reshape(len(x), -1))

    variables = variable_shapes(Dense(), (200, 200, 3))
    assert variables['params']['Dense_0']['kernel'].shape == (120_000, 1000)
    assert count_parameters(variables) == 120_000_000
    assert ops.conv_parameters(5, channels=3, features=1, bias=False) == 75


@pytest.mark.parametrize('k', [2, 3, 4])
def test_two_max_pools_are_one_larger_one(k):
    x = jax.random.normal(jax.random.key(k), (1, 25, 25, 2))
    twice = ops.max_pool(ops.max_pool(x, window=k, stride=1), window=k, stride=1)
    assert (twice == ops.max_pool(x, window=2 * k - 1, stride=1)).all()
    twice = ops.max_pool(ops.max_pool(x, window=k, stride=k), window=k, stride=k)
    assert (twice == ops.max_pool(x, window=k * k, stride=k * k)).all()


# One window, pooled in six ways


def test_six_poolings_of_one_window():
    x = map_of([[1, 2], [3, 4]])
    two_by_two = {'window': 2}
    pooled = {
        4: ops.max_pool(x, **two_by_two),
        2.5: ops.avg_pool(x, **two_by_two),
        10: ops.sum_pool(x, **two_by_two),
        math.sqrt(1 + 4 + 9 + 16): ops.lp_pool(x, **two_by_two, p=2, form='sum'),
        (1 + 4 + 9 + 16) / 10: ops.stochastic_pool(x, **two_by_two, train=False),  # p = x / sum x
    }
    for expected, y in pooled.items():
        assert y.shape == (1, 1, 1, 1) and y.item() == pytest.approx(expected)
    three = map_of([[1, 2, 3], [4, 5, 6], [7, 8, 10]])
    edge, corner = math.exp(-0.5), math.exp(-1)  # sigma 1: exp(-d^2 / 2)
    weighted = 5 + edge * (2 + 4 + 6 + 8) + corner * (1 + 3 + 7 + 10)
    expected = weighted / (1 + 4 * edge + 4 * corner)
    gaussian = ops.gaussian_pool(three, window=3, sigma=1.0)
    assert gaussian.item() == pytest.approx(expected)


# Back-propagation by hand


def test_backpropagation_through_a_one_dimensional_network():
    """conv(k) - ReLU - dense with a squared loss: the chain rule, factor by factor."""
    n, k = 6, 3
    x, w1, w2, y = (
        np.asarray(jax.random.normal(key, (size,)), np.float64)
        for key, size in zip(jax.random.split(jax.random.key(1), 4), (n, k, n, 1), strict=True)
    )
    padded = np.pad(x, 1)
    shifted = np.stack([padded[i : i + n] for i in range(k)])  # dZ/dW: k x n, shifted inputs
    z = w1 @ shifted
    a1 = np.maximum(z, 0)
    assert 0 < (z > 0).sum() < n  # some units are dead, some are not
    slope = np.diag((z > 0).astype(float))  # dA/dZ: the diagonal of the ReLU
    outer = 2 * (w2 @ a1 - y[0]) * w2  # dL/dA = 2 (a - y) W2
    by_hand = shifted @ slope @ outer

    def loss(w1, w2):
        hidden = jax.nn.relu(filter_1d(x, w1, pad=(1, 1)))
        return (w2 @ hidden - y[0]) ** 2

    to_conv, to_dense = jax.grad(loss, argnums=(0, 1))(jnp.float32(w1), jnp.float32(w2))
    np.testing.assert_allclose(to_conv, by_hand, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(to_dense, 2 * (w2 @ a1 - y[0]) * a1, rtol=1e-4, atol=1e-5)


def test_gradients_of_a_two_dimensional_convolution_and_the_update():
    keys = jax.random.split(jax.random.key(2), 4)
    x = jax.random.normal(keys[0], (2, 5, 6, 3))
    kernel, bias = jax.random.normal(keys[1], (3, 2, 3, 4)), jax.random.normal(keys[2], (4,))
    g = jax.random.normal(keys[3], (2, 3, 5, 4))  # dL/dZ

    def loss(params):
        z = ops.conv(x, params['kernel'], padding='valid') + params['bias']
        return (g * z).sum()

    params = {'kernel': kernel, 'bias': bias}
    grads = jax.grad(loss)(params)
    dk = np.zeros(kernel.shape)
    for i, j in np.ndindex(3, 2):  # dK[i, j, c, f] = sum of x[., m + i, n + j, c] g[., m, n, f]
        dk[i, j] = np.einsum('bmnc,bmnf->cf', x[:, i : i + 3, j : j + 5], g)
    np.testing.assert_allclose(grads['kernel'], dk, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(grads['bias'], np.asarray(g).sum((0, 1, 2)), rtol=1e-4, atol=1e-5)

    sgd = make_optimizer(Optimizer(name='sgd', learning_rate=ETA), epochs=1, steps_per_epoch=1)
    updates, _ = sgd.update(grads, sgd.init(params), params)
    new = cast(dict, optax.apply_updates(params, updates))
    np.testing.assert_allclose(new['kernel'], kernel - ETA * dk, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(new['bias'], bias - ETA * grads['bias'], rtol=1e-5)


# What passes a gradient on, and what does not


def test_the_gradient_of_a_maximum_goes_whole_to_the_larger_input():
    grad = jax.grad(lambda x: 3 * ops.max_pool(x, window=(1, 2)).sum())(map_of([[2, 5]]))
    assert grad[0, 0, :, 0].tolist() == [0, 3]


def test_sigmoid_saturates_and_relu_does_not():
    slopes = {}
    for name in ('sigmoid', 'relu'):
        layers = Layers(Max(), train=False, activation=name)
        slopes[name] = float(jax.grad(layers.activate)(10.0))
    assert 0 < slopes['sigmoid'] < 1e-4 and slopes['relu'] == 1


def test_a_dead_relu_never_updates():
    layers = Layers(Max(), train=True, activation='relu')
    x = jnp.array([[0.5], [1.0], [2.0]])
    params = {'w': jnp.array([-1.0]), 'b': jnp.array([-1.0])}  # negative on all of x
    sgd = make_optimizer(Optimizer(name='sgd', learning_rate=ETA), epochs=1, steps_per_epoch=1)
    alive = {'w': jnp.array([1.0]), 'b': jnp.array([-1.0])}
    for start, moves in ((params, False), (alive, True)):
        now, memory = start, sgd.init(start)
        for _ in range(5):
            grads = jax.grad(lambda p: ((layers.activate(x @ p['w'] + p['b']) - 2) ** 2).sum())(now)
            updates, memory = sgd.update(grads, memory, now)
            now = cast(dict, optax.apply_updates(now, updates))
        assert bool((now['w'] != start['w']).any()) == moves


def test_dropout_acts_only_in_training():
    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, *, train):
            return Layers(Max(), train).dropout(x, 0.5)

    x, rngs = jnp.ones((1, 1000)), {'dropout': jax.random.key(0)}
    trained = Net().apply({}, x, train=True, rngs=rngs)
    assert (
        set(np.asarray(trained).ravel().tolist()) == {0.0, 2.0}
        and 400 < int((trained == 0).sum()) < 600
    )
    assert (Net().apply({}, x, train=False) == x).all()


def test_a_one_by_one_convolution_is_a_dot_product_at_each_pixel():
    x = jax.random.normal(jax.random.key(3), (2, 4, 5, 8))
    kernel = jax.random.normal(jax.random.key(4), (1, 1, 8, 3))
    y = ops.conv(x, kernel)
    by_hand = [[x[b, i, j] @ kernel[0, 0] for j in range(5)] for b, i in np.ndindex(2, 4)]
    np.testing.assert_allclose(y.reshape(8, 5, 3), jnp.array(by_hand), rtol=1e-4, atol=1e-5)


# Shifts and aliasing


def test_a_shift_by_one_changes_max_pooling_wholly_and_max_blur_little():
    pattern = np.array([0, 0, 1, 1, 0, 0, 1, 1], np.float32)
    x, moved = (jnp.asarray(p).reshape(1, 8, 1) for p in (pattern, np.roll(pattern, 1)))
    assert ops.max_pool(x, window=2)[0, :, 0].tolist() == [0, 1, 0, 1]
    assert ops.max_pool(moved, window=2)[0, :, 0].tolist() == [1, 1, 1, 1]

    def circular_max_blur(x):
        x = jnp.concatenate([x, x[:, :1]], 1)  # the maximum at stride 1 looks one element ahead
        return ops.blur_pool(ops.max_pool(x, window=2, stride=1), filter_size=3, padding='circular')

    assert circular_max_blur(x)[0, :, 0].tolist() == [0.5, 1, 0.5, 1]
    assert circular_max_blur(moved)[0, :, 0].tolist() == [0.75] * 4
