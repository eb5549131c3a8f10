"""The strategies: frozen dataclasses whose fields are their hyperparameters."""

from cnn_jax.modules.strategies.base import SITES, Site, Strategy
from cnn_jax.modules.strategies.blurred import Blur, MaxBlur
from cnn_jax.modules.strategies.plain import Avg, Max, Stride

__all__ = ['SITES', 'Avg', 'Blur', 'Max', 'MaxBlur', 'Site', 'Strategy', 'Stride']
