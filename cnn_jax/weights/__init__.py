"""A model's variables as safetensors files, and conversion to and from PyTorch's state dicts."""

from cnn_jax.weights.names import Naming
from cnn_jax.weights.normalisation import Normalisation, expected_normalisation
from cnn_jax.weights.pytorch import from_torch, to_torch
from cnn_jax.weights.saved import load_weights, save_weights
from cnn_jax.weights.tensors import read_tensors, write_tensors

__all__ = [
    'Naming',
    'Normalisation',
    'expected_normalisation',
    'from_torch',
    'load_weights',
    'read_tensors',
    'save_weights',
    'to_torch',
    'write_tensors',
]
