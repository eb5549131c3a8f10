"""Architectures: each takes `downsample` and never names a pooling op itself."""

from cnn_jax.models.classifier import Classifier
from cnn_jax.models.convnet1 import ConvNet1
from cnn_jax.models.dense import DenseNetwork
from cnn_jax.models.network import Network, Output
from cnn_jax.models.registry import (
    SMALL_SIDE,
    build_model,
    count_parameters,
    for_images,
    model_names,
    output_of,
    require_output,
    variable_shapes,
)

__all__ = [
    'SMALL_SIDE',
    'Classifier',
    'ConvNet1',
    'DenseNetwork',
    'Network',
    'Output',
    'build_model',
    'variable_shapes',
    'count_parameters',
    'for_images',
    'model_names',
    'output_of',
    'require_output',
]
