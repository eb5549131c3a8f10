"""What a model is made of: its layers, what they cost, and what their units see."""

from cnn_jax.inspection.effective import effective_receptive_field, plot_receptive_field
from cnn_jax.inspection.fields import ReceptiveField
from cnn_jax.inspection.summary import summarize
from cnn_jax.inspection.table import Layer, Summary, summary_dict
from cnn_jax.inspection.work import Work, least_step_work

__all__ = [
    'Layer',
    'ReceptiveField',
    'Summary',
    'Work',
    'effective_receptive_field',
    'least_step_work',
    'plot_receptive_field',
    'summarize',
    'summary_dict',
]
