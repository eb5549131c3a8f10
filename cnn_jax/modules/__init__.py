"""Thin Flax Linen shells around `cnn_jax.ops`, and the registry of downsampling strategies."""

from cnn_jax.modules.conv import Conv
from cnn_jax.modules.downsample import (
    Downsample,
    downsample_layers,
    strategy_from_dict,
    strategy_named,
    strategy_names,
    strategy_to_dict,
)
from cnn_jax.modules.strategies import Avg, Blur, Max, MaxBlur, Strategy, Stride

__all__ = [
    'Avg',
    'Blur',
    'Conv',
    'Downsample',
    'Max',
    'MaxBlur',
    'Strategy',
    'Stride',
    'downsample_layers',
    'strategy_from_dict',
    'strategy_named',
    'strategy_names',
    'strategy_to_dict',
]
