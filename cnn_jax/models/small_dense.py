"""Small networks, ours, that read boxes or points off a map of a quarter of the image's size."""

import math
from typing import Annotated, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.fields import Between
from cnn_jax.layers import Layers
from cnn_jax.models.dense import DenseNetwork, Map
from cnn_jax.models.network import Output

_PRIOR = 0.1  # the probability of a centre at the start, as in the authors' code


class QuarterNetwork(DenseNetwork):
    """The way down to an eighth of the image and up to a quarter, which these networks share.

    [conv 3x3 - norm - activation] of 16 features - down - 32 - down - 64 - down - 128 - up to 64,
    beside the map of 64 - 64. Sides of images must be multiples of 8.

    Attributes:
        width: Features of the first convolution; each later one has twice as many.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (64, 64, 3)

    width: Annotated[int, Between(1, 4096)] = 16

    def quarter(self, layers: Layers, x: Map) -> Map:
        """The map of a quarter of the image's size, of 4 * `width` features."""
        self.require_multiples(x, 3)
        whole, step = x, None
        for number in (1, 2, 3):
            whole = self.block(layers, x, self.width << (number - 1), name=str(number))
            x, step = self.down(layers, whole, name=f'pool{number}')
        assert step is not None
        x = self.block(layers, x, 8 * self.width, name='4')
        x = self.up(layers, x, [step], 4 * self.width, name='up')
        return self.block(layers, jnp.concatenate([whole, x], -1), 4 * self.width, name='5')


class CenterNetSmall(QuarterNetwork):
    """A detector of one map: each object is the place of its centre (Zhou et al. 2019, 1904.07850).

    Gives (batch, height / 4, width / 4, num_classes + 4): for each cell the logit of a centre of
    each class, then the height and width of its box in pixels, then how far (y, x) the centre lies
    from the first corner of the cell, in cells. Boxes and offsets are raw numbers. The bias of the
    logits starts at a probability of 0.1.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = CenterNetSmall(Max(), num_classes=3)
    >>> images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    >>> y, _ = jax.eval_shape(
    ...     lambda x: model.init_with_output(jax.random.key(0), x, train=False), images)
    >>> y.shape
    (1, 16, 16, 7)
    """

    OUTPUT: ClassVar[Output] = 'boxes'

    def forward(self, layers: Layers, x: Array) -> Array:
        x = self.quarter(layers, x)
        start = -math.log((1 - _PRIOR) / _PRIOR)
        heat = self.head(layers, x, self.num_classes, name='heat', bias_start=start)
        boxes = self.head(layers, x, 4, name='boxes')
        return jnp.concatenate([heat, boxes], -1)


class KeypointSmall(QuarterNetwork):
    """Where each of `num_classes` key points lies: (batch, num_classes, 2), (y, x) in pixels.

    The centre of the first pixel is at (0, 0). Each point has a heat map of a quarter of the
    image's size, and is its soft argmax; the cells' centres are those of the pixels that they
    cover, so cell i of 4 pixels is at 4 i + 1.5.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = KeypointSmall(Max(), num_classes=5)
    >>> images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    >>> y, _ = jax.eval_shape(
    ...     lambda x: model.init_with_output(jax.random.key(0), x, train=False), images)
    >>> y.shape
    (1, 5, 2)
    """

    OUTPUT: ClassVar[Output] = 'points'

    def forward(self, layers: Layers, x: Array) -> Float[Array, 'batch {self.num_classes} 2']:
        size = x.shape[1:3]
        heat = self.head(layers, self.quarter(layers, x), self.num_classes, name='heat')
        cells = [n // m for n, m in zip(size, heat.shape[1:3], strict=True)]
        scale = jnp.asarray(cells, heat.dtype)
        return (ops.soft_argmax(heat) + 0.5) * scale - 0.5
