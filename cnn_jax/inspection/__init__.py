"""A model's layers, their cost, their outputs and their receptive fields.

What plots is loaded when it is first used: Matplotlib takes a second to import, which runs, doctor
and summarize need not wait for.
"""

import importlib
from typing import TYPE_CHECKING, Any

from cnn_jax.inspection.activations import layer_output, layer_outputs
from cnn_jax.inspection.ascent import deep_dream, maximise_activation
from cnn_jax.inspection.drawing import house
from cnn_jax.inspection.effective import effective_receptive_field
from cnn_jax.inspection.equivariance import equivariance_maps
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.inspection.hand_filters import HAND_FILTERS, apply_filter, gabor
from cnn_jax.inspection.response import filter_response, strategy_response
from cnn_jax.inspection.summary import summarize
from cnn_jax.inspection.table import Layer, Summary, summary_dict
from cnn_jax.inspection.work import Work, direct_step_work

if TYPE_CHECKING:
    from cnn_jax.inspection.pictures import plot_filters, plot_heat, plot_images, plot_maps
    from cnn_jax.inspection.plots import plot_equivariance, plot_receptive_field, plot_responses

__all__ = [
    'HAND_FILTERS',
    'Layer',
    'ReceptiveField',
    'Summary',
    'Work',
    'apply_filter',
    'deep_dream',
    'direct_step_work',
    'effective_receptive_field',
    'equivariance_maps',
    'filter_response',
    'gabor',
    'house',
    'layer_output',
    'layer_outputs',
    'maximise_activation',
    'plot_equivariance',
    'plot_filters',
    'plot_heat',
    'plot_images',
    'plot_maps',
    'plot_receptive_field',
    'plot_responses',
    'strategy_response',
    'summarize',
    'summary_dict',
]


def __getattr__(name: str) -> Any:
    """The plotting functions: Python asks here for names that are not defined above."""
    if not name.startswith('plot_') or name not in __all__:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    pictures, plots = (
        importlib.import_module(f'{__name__}.{room}') for room in ('pictures', 'plots')
    )
    return getattr(pictures if hasattr(pictures, name) else plots, name)
