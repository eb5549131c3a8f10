"""Pure functions on `(batch, *spatial, channels)` arrays. Needs jax and numpy only, no Flax."""

from cnn_jax.ops.adaptive import (
    adaptive_avg_pool,
    adaptive_max_pool,
    global_avg_pool,
    global_max_pool,
    space_to_depth,
)
from cnn_jax.ops.blur import avg_blur_pool, binomial_filter, blur_pool, max_blur_pool
from cnn_jax.ops.conv import conv
from cnn_jax.ops.norms import lp_pool, median_pool
from cnn_jax.ops.pooling import (
    avg_pool,
    gaussian_pool,
    max_pool,
    min_pool,
    subsample,
    sum_pool,
)
from cnn_jax.ops.windows import output_size

__all__ = [
    'adaptive_avg_pool',
    'adaptive_max_pool',
    'avg_blur_pool',
    'avg_pool',
    'binomial_filter',
    'blur_pool',
    'conv',
    'gaussian_pool',
    'global_avg_pool',
    'global_max_pool',
    'lp_pool',
    'max_blur_pool',
    'max_pool',
    'median_pool',
    'min_pool',
    'output_size',
    'space_to_depth',
    'subsample',
    'sum_pool',
]
