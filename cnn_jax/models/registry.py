"""Model name -> model."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnn_jax.errors import BadInput, unknown_name
from cnn_jax.models.convnet1 import ConvNet1
from cnn_jax.modules import Strategy

_REGISTRY: Mapping[str, type[ConvNet1]] = {'convnet1': ConvNet1}


def model_names() -> tuple[str, ...]:
    """The registered names.

    >>> model_names()
    ('convnet1',)
    """
    return tuple(_REGISTRY)


def build_model(name: str, *, downsample: Strategy, num_classes: int) -> nn.Module:
    """The model of that name; raises BadInput with the nearest name.

    >>> from cnn_jax.modules import Avg
    >>> build_model('convnet1', downsample=Avg(), num_classes=10).num_classes
    10
    """
    if name not in _REGISTRY:
        raise unknown_name('model', name, _REGISTRY)
    return _REGISTRY[name](downsample=downsample, num_classes=num_classes)


def check_model(model: nn.Module, image_shape: tuple[int, int, int]) -> dict:
    """The shapes of the model's variables for images of that shape; computes and compiles nothing.

    Raises BadInput, naming the layer, where a window does not fit its feature map.

    >>> from cnn_jax.modules import Max
    >>> shapes = check_model(ConvNet1(Max(), 10), (28, 28, 1))
    >>> shapes['params']['dense']['kernel'].shape
    (1568, 10)
    """
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.float32)
    try:
        return jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), images)
    except BadInput:
        raise
    except ValueError as error:
        raise BadInput(
            f'{type(model).__name__} cannot take images {image_shape}: {error}'
        ) from None


def count_parameters(variables: Mapping) -> int:
    """How many trainable numbers `variables['params']` holds.

    >>> from cnn_jax.modules import Max
    >>> count_parameters(check_model(ConvNet1(Max(), 10), (28, 28, 1)))
    29034
    """
    return sum(leaf.size for leaf in jax.tree.leaves(variables['params']))
