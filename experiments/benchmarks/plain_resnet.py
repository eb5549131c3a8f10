"""A ResNet-18 for small images, in plain Flax, and its training with and without `antialias`."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from cnn_jax.data import Dataset
from cnn_jax.evaluation import accuracy, predict_logits, shift_consistency
from cnn_jax.transform import antialias

_WIDTH = 16  # the published network has 64
_BATCH = 128


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al., CVPR 2016, figure 2)."""

    features: int
    stride: int

    @nn.compact
    def __call__(self, x, *, train: bool):
        norm = partial(nn.BatchNorm, use_running_average=not train)
        y = nn.Conv(self.features, (3, 3), self.stride, use_bias=False)(x)
        y = nn.relu(norm()(y))
        y = norm()(nn.Conv(self.features, (3, 3), use_bias=False)(y))
        if x.shape != y.shape:
            x = norm()(nn.Conv(self.features, (1, 1), self.stride, use_bias=False)(x))
        return nn.relu(x + y)


class ResNet18(nn.Module):
    """ResNet-18 whose stem keeps the size, as for CIFAR."""

    @nn.compact
    def __call__(self, x, *, train: bool):
        x = nn.Conv(_WIDTH, (3, 3), use_bias=False)(x)
        x = nn.relu(nn.BatchNorm(use_running_average=not train)(x))
        for stage in range(4):
            for block in range(2):
                stride = 2 if stage and not block else 1
                x = Block(_WIDTH << stage, stride)(x, train=train)
        return nn.Dense(10)(x.mean((1, 2)))


def trained_pair(dataset: Dataset, seed: int, *, images: int, epochs: int) -> list[dict]:
    """Accuracy and consistency of both networks, from the same start on the same batches."""
    net = ResNet18()
    return [
        {'seed': seed, 'network': name, **_trained(apply, net, dataset, seed, images, epochs)}
        for name, apply in (('plain', net.apply), ('smooth', antialias(net.apply)))
    ]


def _inputs(images: jax.Array) -> jax.Array:
    return (images.astype(jnp.float32) / 255 - 0.286) / 0.353


def _trained(apply, net: nn.Module, dataset: Dataset, seed: int, number: int, epochs: int) -> dict:
    images, labels = dataset.train.images[:number], dataset.train.labels[:number]
    steps = number // _BATCH
    optimizer = optax.adam(optax.cosine_decay_schedule(4e-3, epochs * steps))

    @jax.jit
    def step(variables, state, batch, targets):
        def loss(params):
            given = {**variables, 'params': params}
            logits, updates = apply(given, _inputs(batch), train=True, mutable=['batch_stats'])
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
            return losses.mean(), updates

        grads, updates = jax.grad(loss, has_aux=True)(variables['params'])
        changes, state = optimizer.update(grads, state, variables['params'])
        params = optax.apply_updates(variables['params'], changes)
        return {'params': params, **updates}, state

    variables = net.init(jax.random.key(seed), _inputs(jnp.asarray(images[:1])), train=False)
    state = optimizer.init(variables['params'])
    order = np.random.default_rng(seed)
    for _ in range(epochs):
        for batch in order.permutation(number)[: steps * _BATCH].reshape(steps, _BATCH):
            variables, state = step(variables, state, images[batch], labels[batch])

    predict = jax.jit(lambda x: apply(variables, _inputs(x), train=False))
    test = dataset.test
    consistent = shift_consistency(predict, test.images, key=jax.random.key(seed))
    return {
        'accuracy': accuracy(predict_logits(predict, test.images), test.labels),
        'consistency': float(consistent.mean()),
    }
