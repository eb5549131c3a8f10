"""All variables of a model in one safetensors file, under names like 'params/conv1/kernel'."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from flax import linen as nn
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Shaped

from cnn_jax.errors import require
from cnn_jax.models import variable_shapes
from cnn_jax.weights.tensors import read_tensors, require_fit, to_float32, write_tensors

_COLLECTIONS = ('params', 'batch_stats')


def save_weights(path: str | Path, variables: Mapping) -> None:
    """Writes 'params' and 'batch_stats' of `variables`, atomically.

    >>> import jax, tempfile
    >>> from cnn_jax.models import Classifier, ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> model = ConvNet1(Max(), num_classes=10)
    >>> variables = Classifier(model, mean=(0.5,), std=(0.5,)).init(jax.random.key(0), (28, 28, 1))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_weights(f'{folder}/convnet1.safetensors', variables)
    ...     again = load_weights(f'{folder}/convnet1.safetensors', model, (28, 28, 1))
    >>> bool((again['params']['dense']['kernel'] == variables['params']['dense']['kernel']).all())
    True
    """
    write_tensors(path, {name: np.asarray(leaf) for name, leaf in flat(variables).items()})


def load_weights(path: str | Path, model: nn.Module, image_shape: tuple[int, int, int]) -> dict:
    """The variables of `model`, 'params' and 'batch_stats', from a file of `save_weights`.

    `image_shape` is (height, width, channels). float16, bfloat16 and float64 become float32, with
    one warning. Raises BadInput, naming up to ten differences, unless the file holds exactly the
    model's variables, and where it is missing, truncated or not a safetensors file.
    """
    tensors = read_tensors(path)
    shapes = {name: leaf.shape for name, leaf in flat(variable_shapes(model, image_shape)).items()}
    require_fit(str(path), model, tensors, shapes)
    return nested(to_float32(str(path), tensors))


def flat(variables: Mapping) -> dict:
    """The leaves of 'params' and 'batch_stats' by their path.

    >>> flat({'params': {'dense': {'bias': 1}}, 'losses': {'a': 2}})
    {'params/dense/bias': 1}
    """
    require(
        'params' in variables,
        f"variables must hold 'params' and 'batch_stats', as model.init gives them; "
        f'got {", ".join(map(str, variables)) or "nothing"}.',
    )
    kept = {kind: variables[kind] for kind in _COLLECTIONS if kind in variables}
    return flatten_dict(kept, sep='/')


def nested(leaves: Mapping[str, Shaped[Array, '...']]) -> dict:
    """The inverse of `flat`; 'batch_stats' is there even if it is empty."""
    return {'params': {}, 'batch_stats': {}} | unflatten_dict(dict(leaves), sep='/')
