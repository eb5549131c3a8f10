"""The strategies: frozen dataclasses whose fields are their hyperparameters."""

from cnn_jax.modules.strategies.adaptive_blur import DDAC, EdgeAware, LearnedBlur
from cnn_jax.modules.strategies.base import SITES, Site, Strategy
from cnn_jax.modules.strategies.blurred import AvgBlur, Blur, MaxBlur
from cnn_jax.modules.strategies.combined import Gated, Mixed, Tree
from cnn_jax.modules.strategies.frequency import AFC, ASAP, FLC, DiffStride, Spectral
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
from cnn_jax.modules.strategies.polyphase import APS, LPS, TIPS
from cnn_jax.modules.strategies.weighted import (
    LIP,
    LSE,
    Ada,
    DetailPreserving,
    GeM,
    Ordinal,
    Rank,
    RankAverage,
    Soft,
    Stochastic,
)

__all__ = [
    'AFC',
    'APS',
    'ASAP',
    'Ada',
    'AdaptiveAvg',
    'AdaptiveMax',
    'Avg',
    'AvgBlur',
    'Blur',
    'DDAC',
    'DetailPreserving',
    'DiffStride',
    'EdgeAware',
    'FLC',
    'Gated',
    'Gaussian',
    'GeM',
    'LIP',
    'LPS',
    'LSE',
    'LearnedBlur',
    'Lp',
    'Max',
    'MaxBlur',
    'Median',
    'Min',
    'Mixed',
    'Ordinal',
    'Rank',
    'RankAverage',
    'SITES',
    'Site',
    'Soft',
    'SpaceToDepth',
    'Spectral',
    'Stochastic',
    'Strategy',
    'Stride',
    'Subsample',
    'Sum',
    'TIPS',
    'Tree',
]
