"""A model's layers, their cost, their outputs and their receptive fields."""

from cnn_jax.inspection.activations import layer_output, layer_outputs
from cnn_jax.inspection.ascent import deep_dream, maximise_activation
from cnn_jax.inspection.drawing import house
from cnn_jax.inspection.effective import effective_receptive_field, plot_receptive_field
from cnn_jax.inspection.equivariance import equivariance_maps, plot_equivariance
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.inspection.hand_filters import HAND_FILTERS, apply_filter, gabor
from cnn_jax.inspection.pictures import plot_filters, plot_heat, plot_images, plot_maps
from cnn_jax.inspection.response import filter_response, plot_responses, strategy_response
from cnn_jax.inspection.summary import summarize
from cnn_jax.inspection.table import Layer, Summary, summary_dict
from cnn_jax.inspection.work import Work, direct_step_work

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
