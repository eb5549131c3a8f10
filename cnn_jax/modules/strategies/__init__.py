"""The strategies: frozen dataclasses whose fields are their hyperparameters."""

from cnn_jax.modules.strategies.base import SITES, Site, Strategy
from cnn_jax.modules.strategies.blurred import AvgBlur, Blur, MaxBlur
from cnn_jax.modules.strategies.plain import (
    AdaptiveAvg,
    AdaptiveMax,
    Avg,
    Gaussian,
    Lp,
    Max,
    Median,
    Min,
    SpaceToDepth,
    Stride,
    Subsample,
    Sum,
)

__all__ = [
    'SITES',
    'AdaptiveAvg',
    'AdaptiveMax',
    'Avg',
    'AvgBlur',
    'Blur',
    'Gaussian',
    'Lp',
    'Max',
    'MaxBlur',
    'Median',
    'Min',
    'Site',
    'SpaceToDepth',
    'Strategy',
    'Stride',
    'Subsample',
    'Sum',
]
