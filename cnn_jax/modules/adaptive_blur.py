"""Low-pass filters with parameters."""

from collections.abc import Sequence
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from cnn_jax.modules.batch_norm import BatchNorm
from cnn_jax.modules.conv import Conv
from cnn_jax.ops.adaptive_blur import (
    Normalise,
    adaptive_blur_pool,
    binomial_logits,
    blur_padded,
    learned_blur_pool,
)
from cnn_jax.ops.windows import Fill, require_2d, spatial_rank

BlurShare = Literal['layer', 'channel']


class LearnedBlurPool(nn.Module):
    """`ops.learned_blur_pool` with one learned filter a channel, or one for the layer.

    The logits start at those of the binomial filter, so it starts as `ops.blur_pool`.

    >>> import jax
    >>> x = jnp.ones((2, 8, 8, 3))
    >>> y, variables = LearnedBlurPool().init_with_output(jax.random.key(0), x)
    >>> y.shape, variables['params']['logits'].shape
    ((2, 4, 4, 3), (3, 3, 3))
    """

    filter_size: int = 3
    stride: int | Sequence[int] = 2
    padding: Fill = 'reflect'
    share: BlurShare = 'channel'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels']
    ) -> Float[Array, 'batch *out channels']:
        if self.share not in ('layer', 'channel'):
            raise ValueError(f"share must be 'layer' or 'channel'; got {self.share!r}")
        start = jnp.asarray(binomial_logits(self.filter_size, spatial_rank(x)), jnp.float32)
        if self.share == 'channel':
            start = jnp.stack([start] * x.shape[-1], -1)
        logits = self.param('logits', lambda key: start)
        return learned_blur_pool(x, logits, stride=self.stride, padding=self.padding)


class AdaptiveBlurPool(nn.Module):
    """`ops.adaptive_blur_pool` with filters that a convolution computes (Zou et al., BMVC 2020).

    logits = BatchNorm(Conv(x)), with the filter's own size and border and no bias, so 2-D only.
    Deviation: the paper's code convolves at stride 1 and then subsamples, so its batch statistics
    are those of all positions; here the convolution has the stride, so they are those of the kept
    positions. All else is equal, at 1 / stride^2 of the cost.

    >>> import jax
    >>> x = jnp.ones((2, 8, 8, 16))
    >>> blur = AdaptiveBlurPool(groups=8)
    >>> y, variables = blur.init_with_output(jax.random.key(0), x, train=False)
    >>> y.shape, variables['params']['conv']['kernel'].shape
    ((2, 4, 4, 16), (3, 3, 16, 72))
    """

    filter_size: int = 3
    groups: int = 8
    stride: int | Sequence[int] = 2
    padding: Fill = 'reflect'
    normalise: Normalise = 'group'

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch height width channels'], *, train: bool
    ) -> Float[Array, 'batch out_height out_width channels']:
        require_2d('AdaptiveBlurPool', x)
        if self.groups < 1 or x.shape[-1] % self.groups:
            raise ValueError(
                f'groups must be at least 1 and divide the {x.shape[-1]} channels; '
                f'got {self.groups}'
            )
        padded = blur_padded(x, filter_size=self.filter_size, padding=self.padding)
        logits = Conv(
            self.groups * self.filter_size**2,
            self.filter_size,
            stride=self.stride,
            padding='valid',
            use_bias=False,
            name='conv',
        )(padded)
        logits = BatchNorm(use_running_average=not train, name='norm')(logits)
        return adaptive_blur_pool(
            x,
            logits,
            filter_size=self.filter_size,
            stride=self.stride,
            padding=self.padding,
            normalise=self.normalise,
        )
