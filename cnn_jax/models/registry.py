"""Model name -> model."""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.models.alexnet import AlexNet
from cnn_jax.models.convnet1 import ConvNet1
from cnn_jax.models.convnet3 import ConvNet3
from cnn_jax.models.convnext import ConvNeXt
from cnn_jax.models.densenet import DenseNet
from cnn_jax.models.fcn import FCN
from cnn_jax.models.googlenet import GoogLeNet
from cnn_jax.models.lenet import LeNet5
from cnn_jax.models.mobilenet import MobileNetV2
from cnn_jax.models.network import Network, Output
from cnn_jax.models.nin import NIN
from cnn_jax.models.preact_resnet import PreActResNet
from cnn_jax.models.quicknet import QuickNet
from cnn_jax.models.resnet import CifarResNet, ResNet
from cnn_jax.models.small_dense import CenterNetSmall, KeypointSmall
from cnn_jax.models.unet import UNet, UNetSmall
from cnn_jax.models.vgg import VGG
from cnn_jax.strategies import Strategy

_Bottleneck = partial(ResNet, bottleneck=True)
_REGISTRY: Mapping[str, partial[Network]] = {
    'lenet5': partial(LeNet5),
    'convnet1': partial(ConvNet1),
    'convnet1_3x3': partial(ConvNet1, window=3),
    'convnet3': partial(ConvNet3),
    'quicknet': partial(QuickNet),
    'alexnet': partial(AlexNet),
    'nin': partial(NIN),
    'vgg11': partial(VGG, depth=11),
    'vgg11_bn': partial(VGG, depth=11, norm='batch'),
    'vgg13': partial(VGG, depth=13),
    'vgg13_bn': partial(VGG, depth=13, norm='batch'),
    'vgg16': partial(VGG, depth=16),
    'vgg16_bn': partial(VGG, depth=16, norm='batch'),
    'vgg19': partial(VGG, depth=19),
    'vgg19_bn': partial(VGG, depth=19, norm='batch'),
    'googlenet': partial(GoogLeNet),
    'resnet18': partial(ResNet, depths=(2, 2, 2, 2)),
    'resnet34': partial(ResNet, depths=(3, 4, 6, 3)),
    'resnet50': partial(_Bottleneck, depths=(3, 4, 6, 3)),
    'resnet101': partial(_Bottleneck, depths=(3, 4, 23, 3)),
    'resnet152': partial(_Bottleneck, depths=(3, 8, 36, 3)),
    'resnext50_32x4d': partial(_Bottleneck, depths=(3, 4, 6, 3), groups=32, width=4),
    'wide_resnet50_2': partial(_Bottleneck, depths=(3, 4, 6, 3), width=128),
    'resnet20': partial(CifarResNet, blocks=3),
    'resnet56': partial(CifarResNet, blocks=9),
    'preact_resnet18': partial(PreActResNet, depths=(2, 2, 2, 2)),
    'densenet121': partial(DenseNet),
    'mobilenet_v2': partial(MobileNetV2),
    'convnext_tiny': partial(ConvNeXt),
    'unet': partial(UNet),
    'unet_small': partial(UNetSmall),
    'fcn32s': partial(FCN, finest=32),
    'fcn8s': partial(FCN, finest=8),
    'centernet_small': partial(CenterNetSmall),
    'keypoint_small': partial(KeypointSmall),
}
_WORDS: Mapping[Output, str] = {
    'classes': 'the class',
    'mask': 'a mask',
    'boxes': 'boxes',
    'points': 'points',
}
ModelT = TypeVar('ModelT', bound=nn.Module)
SMALL_SIDE = 64  # the largest image side of the forms for small images
_LARGEST = 1024  # the largest image side tried to suggest one in an error


def model_names(output: Output = 'classes') -> tuple[str, ...]:
    """The names of the registered models with that output, by default the classifiers.

    'mask' is logits of a class for each pixel, 'boxes' a map of centres and boxes, 'points' the
    coordinates of key points.

    >>> 'resnet18' in model_names(), model_names('mask')
    (True, ('unet', 'unet_small', 'fcn32s', 'fcn8s'))
    """
    return tuple(name for name in _REGISTRY if output_of(name) == output)


def output_of(name: str) -> Output:
    """What the model of that name gives of an image. Raises BadInput with the nearest name.

    >>> output_of('resnet18'), output_of('unet_small')
    ('classes', 'mask')
    """
    if not isinstance(name, str) or name not in _REGISTRY:
        raise unknown_name('model', str(name), _REGISTRY)
    return _REGISTRY[name].func.OUTPUT  # pyright: ignore[reportFunctionMemberAccess]


def require_output(name: str, output: Output) -> None:
    """Raises BadInput unless the model of that name exists and has that output.

    >>> require_output('unet', 'classes')
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: model 'unet' gives a mask of each image, not the class: \
take one like lenet5, convnet1, convnet1_3x3.
    """
    if not isinstance(name, str) or name not in _REGISTRY:
        raise unknown_name('model', str(name), model_names(output))
    given = output_of(name)
    require(
        given == output,
        f'model {name!r} gives {_WORDS[given]} of each image, not {_WORDS[output]}: '
        f'take one like {", ".join(model_names(output)[:3])}.',
    )


def build_model(name: str, *, downsample: Strategy, num_classes: int, **options: Any) -> Network:
    """The model of that name, with `options` as its fields. Raises BadInput with the nearest name.

    >>> from cnn_jax.strategies import Avg
    >>> build_model('resnet18', downsample=Avg(), num_classes=10, small_images=True).num_classes
    10
    """
    if not isinstance(name, str) or name not in _REGISTRY:
        raise unknown_name('model', str(name), _REGISTRY)
    make = _REGISTRY[name]
    model = make(downsample=downsample, num_classes=num_classes)
    allowed = [f.name for f in fields(model) if f.name not in ('parent', 'name')]
    for option in options:
        if option not in allowed:
            raise unknown_name(f'option of {name}', option, allowed)
    return model.clone(**options)


def for_images(model: ModelT, image_shape: tuple[int, int, int]) -> ModelT:
    """The model in its form for images of that shape: up to 64 pixels, `small_images`.

    >>> from cnn_jax.strategies import Max
    >>> model = build_model('resnet18', downsample=Max(), num_classes=10)
    >>> for_images(model, (32, 32, 3)).small_images, for_images(model, (224, 224, 3)).small_images
    (True, False)
    """
    small = max(image_shape[:2]) <= SMALL_SIDE and hasattr(model, 'small_images')
    return model.clone(small_images=True) if small else model


def variable_shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> dict:
    """The shapes of the model's variables for images of that shape; computes and compiles nothing.

    Raises BadInput, naming the layer and the smallest square image that fits (unless the model is
    `strict`), where a window does not fit its feature map.

    >>> from cnn_jax.strategies import Max
    >>> shapes = variable_shapes(ConvNet1(Max(), 10), (28, 28, 1))
    >>> shapes['params']['dense']['kernel'].shape
    (1568, 10)
    """
    require(
        isinstance(image_shape, tuple | list)
        and len(image_shape) == 3
        and all(type(n) is int and n >= 1 for n in image_shape),
        f'image_shape must be height, width and channels, each at least 1; got {image_shape!r}.',
    )
    try:
        return _shapes(model, image_shape)
    except ValueError as error:
        if not str(error).startswith('layer '):
            raise
        text = f'{type(model).__name__} cannot take images {image_shape}: {error}'
        side = None if getattr(model, 'strict', False) else _smallest_side(model, image_shape)
        if side is not None:
            text = f'{text.rstrip(".")}; the smallest square image that fits is {side}x{side}.'
        raise BadInput(text) from None


def _shapes(model: nn.Module, image_shape: tuple[int, int, int]) -> dict:
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)


def _smallest_side(model: nn.Module, image_shape: tuple[int, int, int]) -> int | None:
    """The smallest side of a square image that fits, by bisection; None if even _LARGEST does not.

    Assumes that if a size fits, all larger ones do, as for every model that is not `strict`.
    """

    def fits(side: int) -> bool:
        try:
            _shapes(model, (side, side, image_shape[-1]))
        except ValueError:
            return False
        return True

    low, high = 0, max(image_shape[:2])
    while not fits(high):
        low, high = high, 2 * high
        if high > _LARGEST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle, high)
    return high


def count_parameters(variables: Mapping) -> int:
    """How many trainable numbers `variables['params']` holds.

    >>> from cnn_jax.strategies import Max
    >>> count_parameters(variable_shapes(ConvNet1(Max(), 10), (28, 28, 1)))
    29034
    """
    return sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
