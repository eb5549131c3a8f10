"""Logits and batch statistics of whole networks against PyTorch's, from the same state dict.

The peers are antialiased-cnns, and networks of tests/peers/nets.py where it has none.
"""

from functools import partial

import antialiased_cnns
import jax
import pytest
import torch
from torch import nn

from cnn_jax.models import build_model
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.weights import to_torch
from tests.peers import nets
from tests.peers.parity import CLASSES, QUICK, Pair, channels_first, distance, distances

CLOSE = 1e-4  # of the largest logit, or the largest element of a layer's statistics
FIRST = {'downsample_first': True}  # antialiased-cnns blurs AlexNet's first convolution too
STEM = {'window': 2}  # it has a 2x2 max pool in ResNet's stem


def blurred(make, filter_size: int, side: int, *, window: int | None = None, **options):
    """A network of antialiased-cnns, and ours of the same name."""
    name = make.__name__
    pair = Pair(
        lambda: make(filter_size=filter_size, num_classes=CLASSES),
        build_model(name, downsample=MaxBlur(window, filter_size), num_classes=CLASSES, **options),
        side,
    )
    return pytest.param(pair, 'antialiased_cnns', id=f'{name}-{filter_size}-{side}')


def published(name: str, make, side: int, **options):
    """A network of tests/peers/nets.py, and ours."""
    model = build_model(name, downsample=Max(), num_classes=CLASSES, **options)
    return pytest.param(
        Pair(lambda: make(CLASSES), model, side), 'torchvision', id=f'{name}-{side}'
    )


@pytest.mark.parametrize(
    'pair, naming',
    [
        *(
            blurred(antialiased_cnns.alexnet, size, side, dropout=0.0, **FIRST)
            for size, side in ((1, 97), (2, 97), (3, 224), (4, 97), (5, 101))
        ),
        *(
            blurred(antialiased_cnns.resnet18, size, side, **STEM)
            for size, side in ((1, 97), (2, 97), (3, 224), (4, 97), (5, 101))
        ),
        blurred(antialiased_cnns.vgg16_bn, 2, 97, dropout=0.0),
        blurred(antialiased_cnns.resnet50, 4, 97, **STEM),
        blurred(antialiased_cnns.resnet50, 1, 224, **STEM),
        blurred(antialiased_cnns.resnext50_32x4d, 3, 97, **STEM),
        blurred(antialiased_cnns.densenet121, 5, 97),
        blurred(antialiased_cnns.mobilenet_v2, 3, 97, dropout=0.0),
        published('resnet18', nets.ResNet18, 97),
        published('resnet18', nets.ResNet18, 224),
        published('googlenet', nets.GoogLeNet, 97, dropout=0.0),
        published('convnext_tiny', nets.ConvNeXtT, 97),
        published('convnext_tiny', nets.ConvNeXtT, 224),
    ],
)
def test_a_network_is_pytorchs(pair, naming):
    net, images = pair.net(), pair.images(4 if pair.side < 200 else 2)
    variables = pair.ours(net)
    exported = to_torch(pair.model, variables, pair.image_shape, naming=naming)
    net.load_state_dict({name: torch.from_numpy(x) for name, x in exported.items()})  # strict
    del exported
    before = {name: buffer.clone() for name, buffer in net.named_buffers()}
    elements = count_elements(net)

    @partial(jax.jit, compiler_options=QUICK)
    def ours(variables, images):
        mutable, rngs = ['batch_stats'], {'dropout': jax.random.key(0)}
        trained = pair.model.apply(variables, images, train=True, mutable=mutable, rngs=rngs)
        return pair.model.apply(variables, images, train=False), *trained

    logits, train_logits, updates = ours(variables, images)
    with torch.no_grad():
        their_logits = net.eval()(channels_first(images))
        their_train_logits = net.train()(channels_first(images))
    for mine, theirs in ((logits, their_logits), (train_logits, their_train_logits)):
        assert distance(theirs.mean(0), theirs) > 0.1  # the images matter
        assert distance(mine, theirs) < CLOSE
    divide_by_elements(net, before, elements)
    theirs = pair.ours(net)['batch_stats']
    found = distances(updates.get('batch_stats', {}), theirs)
    assert {name: d for name, d in found.items() if d >= CLOSE} == {}


def count_elements(net: nn.Module) -> dict[str, int]:
    """Filled as the net runs: over how many elements each batch norm takes its statistics."""
    elements = {}

    def hook(name: str):
        def count(module, inputs, output):
            elements[name] = inputs[0].numel() // inputs[0].shape[1]

        return count

    for name, module in net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(hook(name))
    return elements


def divide_by_elements(net: nn.Module, before: dict, elements: dict[str, int]) -> None:
    """Makes running variances what they were if batch variances had the divisor n.

    PyTorch mixes a batch's variance of divisor n - 1 into the running one, and Flax that of n.
    """
    for name, n in elements.items():
        running, old = net.get_buffer(f'{name}.running_var'), before[f'{name}.running_var']
        new = running - 0.9 * old
        running.copy_(0.9 * old + new * (n - 1) / n)
