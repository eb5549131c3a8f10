"""The input normalisation that the published weights of each network expect."""

from dataclasses import dataclass

from cnn_jax.errors import BadInput, unknown_name
from cnn_jax.weights.names import Naming

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALVES = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_TRANSFORMED = ('googlenet',)
_LIKE_IMAGENET = (
    'alexnet',
    'vgg11',
    'vgg11_bn',
    'vgg13',
    'vgg13_bn',
    'vgg16',
    'vgg16_bn',
    'vgg19',
    'vgg19_bn',
    'resnet18',
    'resnet34',
    'resnet50',
    'resnet101',
    'resnet152',
    'resnext50_32x4d',
    'wide_resnet50_2',
    'densenet121',
    'mobilenet_v2',
    'convnext_tiny',
)


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of each channel, on the scale 0 to 1, as `Classifier` needs."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


def expected_normalisation(name: str, naming: Naming = 'torchvision') -> Normalisation:
    """The image normalisation that a model's pretrained ImageNet weights expect.

    It is the mean and standard deviation of ImageNet, except for torchvision's GoogLeNet: with its
    pretrained weights torchvision sets `transform_input`, which undoes the ImageNet normalisation
    inside the network and applies 0.5 and 0.5 instead. Ours has no such step.

    Raises BadInput for a model without published weights (others expect the normalisation that they
    were trained with).

    >>> expected_normalisation('resnet50').mean, expected_normalisation('googlenet').mean
    ((0.485, 0.456, 0.406), (0.5, 0.5, 0.5))
    """
    if naming not in ('torchvision', 'antialiased_cnns'):
        raise unknown_name('naming', str(naming), ('torchvision', 'antialiased_cnns'))
    known = (*_LIKE_IMAGENET, *_TRANSFORMED)
    if naming == 'antialiased_cnns':
        known = tuple(one for one in _LIKE_IMAGENET if one != 'convnext_tiny')
    if name not in known:
        raise BadInput(
            f'{name!r} has no pretrained weights in {naming}, so no normalisation that they '
            f'expect; those that have: {", ".join(known)}.'
        )
    return Normalisation(*(_HALVES if name in _TRANSFORMED else _IMAGENET))
