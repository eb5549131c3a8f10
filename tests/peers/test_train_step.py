"""One step of training against PyTorch's, from the same weights on the same batch.

Both sides compute in float64. In float32 a few activations near zero fall on the other side of a
ReLU's kink, in PyTorch as in ours, and move weights by up to a hundredth of the largest change.
"""

import antialiased_cnns
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax.traverse_util import flatten_dict
from torch.nn import functional

from cnn_jax.models import Classifier, build_model
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.training import TrainState, make_train_step, zero_sums
from cnn_jax.training.augment import Augment
from tests.peers import nets
from tests.peers.parity import CLASSES, QUICK, Pair, channels_first

RATE, CLOSE, BATCH, SIDE = 0.1, 1e-4, 4, 64
Flat = dict[tuple[str, ...], np.ndarray]


def pair(name: str, make, downsample, **options) -> Pair:
    model = build_model(name, downsample=downsample, num_classes=CLASSES, **options)
    return Pair(make, model.clone(dtype=jnp.float64), SIDE)


PAIRS = {
    'resnet18': pair('resnet18', lambda: nets.ResNet18(CLASSES), Max()),
    'vgg16_bn-blurred': pair(
        'vgg16_bn',
        lambda: antialiased_cnns.vgg16_bn(filter_size=4, num_classes=CLASSES),
        MaxBlur(filter_size=4),
        dropout=0.0,
    ),
}


def flat(params: dict) -> Flat:
    return {path: np.asarray(x) for path, x in flatten_dict(params).items()}


def our_step(pair: Pair, variables: dict, images: np.ndarray, labels: np.ndarray) -> Flat:
    classifier = Classifier(pair.model, mean=(0.5,) * 3, std=(0.25,) * 3)
    optimizer = optax.sgd(RATE)
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        opt_state=optimizer.init(variables['params']),
        **variables,
    )
    order, key = jnp.arange(BATCH, dtype=jnp.int32)[None], jax.random.key(0)
    arguments = (state, zero_sums(), jnp.asarray(images), jnp.asarray(labels), order, key)
    step = make_train_step(classifier, optimizer, augment=Augment())
    state, _ = step.lower(*arguments).compile(compiler_options=QUICK)(*arguments)
    return flat(state.params)


def their_step(net: torch.nn.Module, images: np.ndarray, labels: np.ndarray) -> None:
    sgd = torch.optim.SGD(net.double().train().parameters(), lr=RATE)
    logits = net(channels_first((images / 255 - 0.5) / 0.25))
    functional.cross_entropy(logits, torch.from_numpy(labels).long()).backward()
    sgd.step()
    net.zero_grad()
    net.float()


@pytest.mark.parametrize('pair', PAIRS.values(), ids=PAIRS)
def test_a_step_is_pytorchs(pair):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, *pair.image_shape)).astype(np.uint8)
    labels = rng.integers(0, CLASSES, BATCH).astype(np.int32)
    net = pair.net()
    with jax.enable_x64(True):
        variables = pair.ours(net)
        before = flat(variables['params'])
        their_step(net, images, labels)
        theirs = flat(pair.ours(net)['params'])
        del net  # VGG-16 has half a gigabyte of weights
        change = max(np.abs(theirs[path] - x).max() for path, x in before.items())
        assert change > 0.01 and before.keys() == theirs.keys()
        del before
        ours = our_step(pair, variables, images, labels)
    assert ours.keys() == theirs.keys()
    apart = {path: np.abs(ours[path] - x).max() for path, x in theirs.items()}
    assert {path: d for path, d in apart.items() if d > CLOSE * min(1, change)} == {}
