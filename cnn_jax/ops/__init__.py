"""Pure functions on `(batch, *spatial, channels)` arrays. They need only jax and numpy, no Flax."""

from cnn_jax.ops.adaptive import (
    adaptive_avg_pool,
    adaptive_max_pool,
    global_avg_pool,
    global_max_pool,
    space_to_depth,
)
from cnn_jax.ops.adaptive_blur import (
    adaptive_blur_pool,
    binomial_logits,
    edge_aware_blur,
    learned_blur_pool,
)
from cnn_jax.ops.batch_norm import batch_norm
from cnn_jax.ops.blur import (
    avg_blur_pool,
    binomial_filter,
    blur_pool,
    max_blur_pool,
    wavelet_filter,
)
from cnn_jax.ops.combined import gated_pool, mixed_pool, tree_pool
from cnn_jax.ops.conv import conv
from cnn_jax.ops.conv_transpose import bilinear_kernel, conv_transpose
from cnn_jax.ops.diffstride import diffstride_pool
from cnn_jax.ops.drawn import fractional_max_pool, s3_pool
from cnn_jax.ops.haar import haar_bands
from cnn_jax.ops.importance import ada_pool, detail_preserving_pool, lip_logits, lip_pool
from cnn_jax.ops.learned_polyphase import (
    lps_components,
    lps_logits,
    lps_pool,
    lps_unpool,
    lps_weights,
)
from cnn_jax.ops.lowpass import afc_pool, ideal_lowpass, ideal_upsample, polynomial_activation
from cnn_jax.ops.norms import lp_pool, median_pool
from cnn_jax.ops.phases import polyphase_components
from cnn_jax.ops.places import max_pool_with_places, max_unpool
from cnn_jax.ops.polyphase import aps_index, aps_pool, aps_unpool
from cnn_jax.ops.polyphase_up import aps_upsample, lps_upsample
from cnn_jax.ops.pooling import avg_pool, gaussian_pool, max_pool, min_pool, subsample, sum_pool
from cnn_jax.ops.ranked import ordinal_pool, rank_average_pool, rank_pool
from cnn_jax.ops.shifts import fourier_shift, shift_images
from cnn_jax.ops.soft_argmax import soft_argmax
from cnn_jax.ops.spectral import asap_pool, flc_pool, spectral_pool
from cnn_jax.ops.tips import (
    tips_features,
    tips_mixing_loss,
    tips_pool,
    tips_undo_loss,
    tips_weights,
)
from cnn_jax.ops.upsample import upsample_bilinear, upsample_blur, upsample_nearest
from cnn_jax.ops.weighted import gem_pool, lse_pool, soft_pool, stochastic_pool
from cnn_jax.ops.windows import conv_parameters, output_size

__all__ = [
    'ada_pool',
    'adaptive_avg_pool',
    'adaptive_blur_pool',
    'adaptive_max_pool',
    'afc_pool',
    'aps_index',
    'aps_pool',
    'aps_unpool',
    'aps_upsample',
    'asap_pool',
    'avg_blur_pool',
    'avg_pool',
    'batch_norm',
    'bilinear_kernel',
    'binomial_filter',
    'binomial_logits',
    'blur_pool',
    'conv',
    'conv_parameters',
    'conv_transpose',
    'detail_preserving_pool',
    'diffstride_pool',
    'edge_aware_blur',
    'flc_pool',
    'fourier_shift',
    'fractional_max_pool',
    'gated_pool',
    'gaussian_pool',
    'gem_pool',
    'global_avg_pool',
    'global_max_pool',
    'haar_bands',
    'ideal_lowpass',
    'ideal_upsample',
    'learned_blur_pool',
    'lip_logits',
    'lip_pool',
    'lp_pool',
    'lps_components',
    'lps_logits',
    'lps_pool',
    'lps_unpool',
    'lps_upsample',
    'lps_weights',
    'lse_pool',
    'max_blur_pool',
    'max_pool',
    'max_pool_with_places',
    'max_unpool',
    'median_pool',
    'min_pool',
    'mixed_pool',
    'ordinal_pool',
    'output_size',
    'polynomial_activation',
    'polyphase_components',
    'rank_average_pool',
    'rank_pool',
    's3_pool',
    'shift_images',
    'soft_argmax',
    'soft_pool',
    'space_to_depth',
    'spectral_pool',
    'stochastic_pool',
    'subsample',
    'sum_pool',
    'tips_features',
    'tips_mixing_loss',
    'tips_pool',
    'tips_undo_loss',
    'tips_weights',
    'tree_pool',
    'upsample_bilinear',
    'upsample_blur',
    'upsample_nearest',
    'wavelet_filter',
]
