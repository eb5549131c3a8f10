"""Pure functions on `(batch, *spatial, channels)` arrays. Needs jax and numpy only, no Flax."""

from cnn_jax.ops.blur import binomial_filter, blur_pool, max_blur_pool
from cnn_jax.ops.conv import conv
from cnn_jax.ops.pooling import avg_pool, max_pool, min_pool, subsample, sum_pool
from cnn_jax.ops.windows import output_size

__all__ = [
    'avg_pool',
    'binomial_filter',
    'blur_pool',
    'conv',
    'max_blur_pool',
    'max_pool',
    'min_pool',
    'output_size',
    'subsample',
    'sum_pool',
]
