"""The Flax Linen layers that networks are built from, and the one that calls a strategy."""

from cnn_jax.layers.activation import PolynomialActivation
from cnn_jax.layers.average import Average
from cnn_jax.layers.batch_norm import BatchNorm
from cnn_jax.layers.conv import Conv
from cnn_jax.layers.downsample import Downsample, DownsampleBranches, DownsampleWithChoice
from cnn_jax.layers.layers import ACTIVATIONS, NORMS, Layers
from cnn_jax.layers.map_norm import MapLayerNorm
from cnn_jax.layers.upsample import ConvTranspose, Upsample

__all__ = [
    'ACTIVATIONS',
    'NORMS',
    'Average',
    'BatchNorm',
    'Conv',
    'ConvTranspose',
    'Downsample',
    'DownsampleBranches',
    'DownsampleWithChoice',
    'Layers',
    'MapLayerNorm',
    'PolynomialActivation',
    'Upsample',
]
