"""Functions of functions: any model with blurs wherever it downsamples."""

from cnn_jax.transform.antialias import Antialiased, Change, antialias, find_downsampling
from cnn_jax.transform.site import Site

__all__ = ['Antialiased', 'Change', 'Site', 'antialias', 'find_downsampling']
