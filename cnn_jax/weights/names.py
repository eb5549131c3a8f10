"""The names of each architecture's layers in PyTorch: those of torchvision and others.

antialiased-cnns 0.3 uses torchvision's names, except that the indices of layers after a blur in the
same Sequential shift; it holds each blur's filter as a buffer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.models.alexnet import AlexNet
from cnn_jax.models.convnext import ConvNeXt
from cnn_jax.models.densenet import DenseNet
from cnn_jax.models.googlenet import GoogLeNet
from cnn_jax.models.lenet import LeNet5
from cnn_jax.models.mobilenet import STAGES, MobileNetV2
from cnn_jax.models.network import Network
from cnn_jax.models.resnet import ResNet
from cnn_jax.models.vgg import DEPTHS, VGG

Naming = Literal['torchvision', 'antialiased_cnns']
_NAMINGS: tuple[Naming, ...] = ('torchvision', 'antialiased_cnns')


@dataclass(frozen=True)
class Names:
    """The names of one network in a state dict. Our modules are paths like 'layer1_0/conv1'.

    Attributes:
        layers: Our module -> PyTorch's.
        scales: Our parameter with an element per channel -> PyTorch's, (channels, 1, 1).
        flattened: A dense layer on a flattened map -> the convolution whose channels the map has.
        blurs: PyTorch's blur -> the convolution whose channels it blurs.
        windows: The windows of `MaxBlur` with which the network equals antialiased-cnns's.
        ignored: Prefixes of names that may be in a file although the model lacks them.
        spellings: Parts of names in older files -> their current form.
    """

    layers: Mapping[str, str]
    scales: Mapping[str, str] = field(default_factory=dict)
    flattened: Mapping[str, str] = field(default_factory=dict)
    blurs: Mapping[str, str] = field(default_factory=dict)
    windows: tuple[int | None, ...] = ()
    ignored: tuple[str, ...] = ()
    spellings: Mapping[str, str] = field(default_factory=dict)


def torch_names(model: Network, naming: Naming) -> Names:
    """The names of that network; raises BadInput where that naming has none for it.

    >>> from cnn_jax.models import build_model
    >>> from cnn_jax.strategies import Max, MaxBlur
    >>> model = build_model('vgg16', downsample=Max(), num_classes=10)
    >>> torch_names(model, 'torchvision').layers['conv2_1']
    'features.5'
    >>> torch_names(model, 'antialiased_cnns').layers['conv2_1']
    'features.6'
    """
    if naming not in _NAMINGS:
        raise unknown_name('naming', str(naming), _NAMINGS)
    blurred = naming == 'antialiased_cnns'
    if type(model) in _WITH_BLURS:
        return _WITH_BLURS[type(model)](model, blurred)
    if type(model) in _WITHOUT and not blurred:
        return _WITHOUT[type(model)](model)
    known = [*_WITH_BLURS, *([] if blurred else _WITHOUT)]
    raise BadInput(
        f'{naming} has no names for {type(model).__name__}; '
        f'it has for {", ".join(network.__name__ for network in known)}.'
    )


def _lenet(model: LeNet5) -> Names:
    """As in PyTorch's tutorials; torchvision has no LeNet-5."""
    layers = {'conv1': 'conv1', 'conv2': 'conv2'}
    layers |= {f'dense{number}': f'fc{number}' for number in (1, 2, 3)}
    return Names(layers, flattened={'dense1': 'conv2'})


@dataclass
class _Sequential:
    """Counts the modules of a Sequential."""

    name: str
    layers: dict[str, str] = field(default_factory=dict)
    blurs: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def layer(self, ours: str) -> None:
        self.layers[ours] = f'{self.name}.{self.count}'
        self.count += 1

    def blur(self, conv: str) -> None:
        self.blurs[f'{self.name}.{self.count}'] = conv
        self.count += 1

    def other(self) -> None:
        """An activation or a pool."""
        self.count += 1


def _alexnet(model: AlexNet, blurred: bool) -> Names:
    features = _Sequential('features')
    for number in range(1, 6):
        conv = f'conv{number}'
        features.layer(conv)
        features.other()
        if blurred and number == 1 and model.downsample_first:
            features.blur(conv)
        if number in (1, 2, 5):
            features.other()
            if blurred:
                features.blur(conv)
    dense = {'dense1': 'classifier.1', 'dense2': 'classifier.4', 'dense3': 'classifier.6'}
    return Names(
        features.layers | dense,
        flattened={'dense1': 'conv5'},
        blurs=features.blurs,
        windows=(None, 3),
    )


def _vgg(model: VGG, blurred: bool) -> Names:
    features, conv = _Sequential('features'), ''
    for stage, convolutions in enumerate(DEPTHS[model.depth], start=1):
        for number in range(1, convolutions + 1):
            conv = f'conv{stage}_{number}'
            features.layer(conv)
            if model.norm != 'none':
                features.layer(f'norm{stage}_{number}')
            features.other()
        features.other()
        if blurred:
            features.blur(conv)
    dense = {'dense1': 'classifier.0', 'dense2': 'classifier.3', 'dense3': 'classifier.6'}
    return Names(
        features.layers | dense,
        flattened={'dense1': conv},
        blurs=features.blurs,
        windows=(None, 2),
    )


def _resnet(model: ResNet, blurred: bool) -> Names:
    layers, blurs = {'conv1': 'conv1', 'norm1': 'bn1', 'dense': 'fc'}, {}
    if not model.small_images:
        blurs |= {'maxpool.0': 'conv1'} if model.downsample_first else {}
        blurs |= {'maxpool.2' if model.downsample_first else 'maxpool.1': 'conv1'}
    count = 3 if model.bottleneck else 2
    before = 'conv1'  # the convolution whose features enter the block
    for stage, blocks in enumerate(model.depths, start=1):
        for block in range(blocks):
            ours, theirs = f'layer{stage}_{block}', f'layer{stage}.{block}'
            for i in range(1, count + 1):
                layers[f'{ours}/conv{i}'] = f'{theirs}.conv{i}'
                layers[f'{ours}/norm{i}'] = f'{theirs}.bn{i}'
            shifted = blurred and stage > 1 and block == 0
            if shifted:
                layers[f'{ours}/conv{count}'] = f'{theirs}.conv{count}.1'
                blurs[f'{theirs}.conv{count}.0'] = f'{ours}/conv{count - 1}'
                blurs[f'{theirs}.downsample.0'] = before
            layers[f'{ours}/shortcut_conv'] = f'{theirs}.downsample.{int(shifted)}'
            layers[f'{ours}/shortcut_norm'] = f'{theirs}.downsample.{int(shifted) + 1}'
            before = f'{ours}/conv{count}'
    return Names(layers, blurs=blurs if blurred else {}, windows=(2,))


def _densenet(model: DenseNet, blurred: bool) -> Names:
    layers = {'conv1': 'features.conv0', 'norm1': 'features.norm0'}
    layers |= {'norm': 'features.norm5', 'dense': 'classifier'}
    blurs = {}
    if not model.small_images:
        blurs |= {'features.ds0': 'conv1'} if model.downsample_first else {}
        blurs |= {'features.pool0': 'conv1'}
    parts = ('norm1', 'conv1', 'norm2', 'conv2')
    for block, count in enumerate(model.depths, start=1):
        for number in range(1, count + 1):
            theirs = f'features.denseblock{block}.denselayer{number}'
            layers |= {f'block{block}_layer{number}/{part}': f'{theirs}.{part}' for part in parts}
        if block < len(model.depths):
            ours, theirs = f'transition{block}', f'features.transition{block}'
            layers |= {f'{ours}/norm': f'{theirs}.norm', f'{ours}/conv': f'{theirs}.conv'}
            blurs[f'{theirs}.pool'] = f'{ours}/conv'
    spellings = {f'.{part[:-1]}.{part[-1]}.': f'.{part}.' for part in parts}
    return Names(layers, blurs=blurs if blurred else {}, windows=(None,), spellings=spellings)


def _mobilenet(model: MobileNetV2, blurred: bool) -> Names:
    require(
        not (blurred and model.downsample_first),
        'antialiased-cnns has no MobileNetV2 with downsample_first=True: build it without.',
    )
    layers, blurs = {'first_conv': 'features.0.0', 'first_norm': 'features.0.1'}, {}
    block = 0
    for expansion, _, count, halves in STAGES:
        for number in range(count):
            block += 1
            ours, theirs, at = f'block{block}', f'features.{block}.conv', 0
            for part in ('expand', 'depthwise') if expansion > 1 else ('depthwise',):
                layers[f'{ours}/{part}_conv'] = f'{theirs}.{at}.0'
                layers[f'{ours}/{part}_norm'] = f'{theirs}.{at}.1'
                at += 1
            if blurred and halves and number == 0:
                blurs[f'{theirs}.{at}'] = f'{ours}/depthwise_conv'
                at += 1
            layers[f'{ours}/project_conv'] = f'{theirs}.{at}'
            layers[f'{ours}/project_norm'] = f'{theirs}.{at + 1}'
    last = f'features.{block + 1}'
    layers |= {'last_conv': f'{last}.0', 'last_norm': f'{last}.1'}
    layers['dense'] = 'classifier.0' if blurred else 'classifier.1'
    return Names(layers, blurs=blurs, windows=(None, 2))


def _googlenet(model: GoogLeNet) -> Names:
    modules = {f'conv{number}': f'conv{number}' for number in (1, 2, 3)}
    for block in ('3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b'):
        name = f'inception{block}'
        modules |= {f'{name}/branch1': f'{name}.branch1', f'{name}/branch4': f'{name}.branch4.1'}
        for branch in (2, 3):
            for i in (0, 1):
                modules[f'{name}/branch{branch}_{i + 1}'] = f'{name}.branch{branch}.{i}'
    layers = {f'{ours}/conv': f'{theirs}.conv' for ours, theirs in modules.items()}
    layers |= {f'{ours}/norm': f'{theirs}.bn' for ours, theirs in modules.items()}
    return Names(layers | {'dense': 'fc'}, ignored=('aux1.', 'aux2.'))


def _convnext(model: ConvNeXt) -> Names:
    layers = {'first_conv': 'features.0.0', 'first_norm': 'features.0.1'}
    layers |= {'norm': 'classifier.0', 'dense': 'classifier.2'}
    scales = {}
    parts = {'depthwise_conv': 0, 'norm': 2, 'dense1': 3, 'dense2': 5}
    for stage, depth in enumerate(model.depths, start=1):
        if stage > 1:
            ours, theirs = f'downsample{stage - 1}', f'features.{2 * stage - 2}'
            layers |= {f'{ours}_norm': f'{theirs}.0', f'{ours}_conv': f'{theirs}.1'}
        for number in range(depth):
            ours, theirs = f'stage{stage}_{number}', f'features.{2 * stage - 1}.{number}'
            layers |= {f'{ours}/{part}': f'{theirs}.block.{at}' for part, at in parts.items()}
            scales[f'{ours}/scale'] = f'{theirs}.layer_scale'
    return Names(layers, scales=scales)


_WITH_BLURS: Mapping[type, Callable[[Any, bool], Names]] = {
    AlexNet: _alexnet,
    VGG: _vgg,
    ResNet: _resnet,
    DenseNet: _densenet,
    MobileNetV2: _mobilenet,
}
_WITHOUT: Mapping[type, Callable[[Any], Names]] = {
    LeNet5: _lenet,
    GoogLeNet: _googlenet,
    ConvNeXt: _convnext,
}
