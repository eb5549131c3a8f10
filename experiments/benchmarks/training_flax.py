"""The benchmark's networks as a Flax user writes them, with Flax's own layers."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn
from jax import Array

from experiments.benchmarks.ours import FLAX

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # VGG-11
POOLS = {'max': FLAX['max'], 'max_blur': FLAX['max_blur3']}


def norm(x: Array) -> Array:
    """Batch norm in training, inside a compact method."""
    return nn.BatchNorm(use_running_average=False, momentum=0.9)(x)


class ConvNet1(nn.Module):
    """[conv 5x5 - norm - ReLU - pool] with 16, then 32 features; dense."""

    downsample: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for features in (16, 32):
            x = nn.relu(norm(nn.Conv(features, (5, 5))(x)))
            x = POOLS[self.downsample](x)
        return nn.Dense(10)(x.reshape(len(x), -1))


class VGG11(nn.Module):
    """VGG-11 with batch norm and one dense layer on the mean of the last map."""

    downsample: str

    @nn.compact
    def __call__(self, x: Array) -> Array:
        for stage in STAGES:
            for features in stage:
                x = nn.relu(norm(nn.Conv(features, (3, 3))(x)))
            x = POOLS[self.downsample](x) if x.shape[1] > 1 else x
        return nn.Dense(10)(x.mean((1, 2)))


class ResNet18(nn.Module):
    """Four stages of two blocks; each strided convolution may be one followed by a blur."""

    downsample: str

    def _conv(self, x: Array, features: int, window: int, stride: int) -> Array:
        stride = 1 if self.downsample == 'max_blur' else stride
        return nn.Conv(features, (window, window), (stride, stride), use_bias=False)(x)

    @nn.compact
    def __call__(self, x: Array) -> Array:
        x = nn.relu(norm(self._conv(x, 64, 3, 1)))
        for features in (64, 128, 256, 512):
            for number in (0, 1):
                stride = 2 if features > 64 and number == 0 else 1
                shortcut = x
                x = nn.relu(norm(self._conv(x, features, 3, stride)))
                if stride == 2 and self.downsample == 'max_blur':
                    x, shortcut = FLAX['blur3'](x), FLAX['blur3'](shortcut)
                x = norm(self._conv(x, features, 3, 1))
                if stride == 2:
                    shortcut = norm(self._conv(shortcut, features, 1, stride))
                x = nn.relu(x + shortcut)
        return nn.Dense(10)(x.mean((1, 2)))


NETWORKS = {'convnet1': ConvNet1, 'vgg11_bn': VGG11, 'resnet18': ResNet18}


def train_step(model: str, downsample: str, x: Array, y: Array) -> Callable[[], None]:
    """One training step with Adam, to be called again and again."""
    network = NETWORKS[model](downsample)
    variables = jax.jit(network.init)(jax.random.key(0), x[:1])
    optimizer = optax.adam(1e-3)

    @jax.jit
    def step(variables, opt_state, x, y):
        def loss(params):
            logits, updated = network.apply(
                {**variables, 'params': params}, x, mutable=['batch_stats']
            )
            losses = optax.softmax_cross_entropy_with_integer_labels(jnp.asarray(logits), y)
            return losses.mean(), updated

        (value, updated), gradient = jax.value_and_grad(loss, has_aux=True)(variables['params'])
        updates, opt_state = optimizer.update(gradient, opt_state, variables['params'])
        params = optax.apply_updates(variables['params'], updates)
        return {'params': params, **updated}, opt_state, value

    state = [variables, optimizer.init(variables['params'])]

    def call() -> None:
        *state[:], loss = step(*state, x, y)
        jax.block_until_ready((state, loss))

    return call
