"""U-Net (Ronneberger, Fischer & Brox, MICCAI 2015), and a small one for quick studies."""

from typing import Annotated, ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array

from cnn_jax.errors import require
from cnn_jax.fields import Between
from cnn_jax.layers import Layers
from cnn_jax.models.dense import SITE, DenseNetwork, Map
from cnn_jax.models.network import Share
from cnn_jax.strategies import Matching, TransposedConv, Upsampling


class UNet(DenseNetwork):
    """Logits of a class for each pixel: (batch, height, width, num_classes).

    Each level has two [conv 3x3 - activation], then downsamples and doubles the features; on the
    way up each level upsamples to half the features, puts the map of the way down before it and
    has two convolutions again; a 1x1 convolution ends it. As published, dropout follows the last
    two levels of the way down, and beside strategies other than APS and LPS the upsampling is a
    learned 2x2 transposed convolution. With one channel and two classes it has 31,030,658
    parameters; with norm='batch', three channels and one class, as in many ports, 31,037,633.

    Unlike in the paper, convolutions keep the size by default, so that the output is as large as
    the image; `convolutions='valid'` is the published form (572 pixels become 388), which crops the
    maps of the way down.

    Attributes:
        width: Features of the first level.
        levels: How many sizes the maps have, so `levels` - 1 times it downsamples.
        convolutions: 'same', whose padding `fill` says, or 'valid'.
        dropout: The rate.
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (512, 512, 1)

    norm: str = 'none'
    upsample: Upsampling = Matching(otherwise=TransposedConv())
    width: Annotated[int, Between(1, 4096)] = 64
    levels: Annotated[int, Between(1, 8)] = 5
    convolutions: Literal['same', 'valid'] = 'same'
    dropout: Share = 0.5

    def check(self) -> None:
        """As `DenseNetwork.check`; also refuses un-pooling where 'valid' convolutions crop."""
        super().check()
        require(
            self.convolutions == 'same' or self.upsample.beside(self.downsample).NEEDS != 'places',
            f"{type(self).__name__}: with convolutions='valid' the map on the way up is smaller "
            f"than that of the stored places: take convolutions='same' or upsample='matching'.",
        )

    def forward(self, layers: Layers, x: Array) -> Array:
        self._require_size(x)
        skips, steps = [], []
        for level in range(1, self.levels):
            x = self._two(layers, x, level, f'down{level}')
            if level == self.levels - 1:
                x = self._dropped(layers, x)
            skips.append(x)
            x, step = self.down(layers, x, name=f'pool{level}')
            steps.append(step)
        x = self._dropped(layers, self._two(layers, x, self.levels, 'bottom'))
        for level in range(self.levels - 1, 0, -1):
            x = self.up(layers, x, [steps.pop()], self._features(level), name=f'up{level}')
            x = jnp.concatenate([_centre(skips.pop(), x), x], -1)
            x = self._two(layers, x, level, f'join{level}')
        return self.head(layers, x, self.num_classes)

    def _features(self, level: int) -> int:
        return self.width << (level - 1)

    def _two(self, layers: Layers, x: Map, level: int, name: str) -> Map:
        for number in (1, 2):
            x = self.block(
                layers,
                x,
                self._features(level),
                name=f'_{name}_{number}',
                padding=self.convolutions,
            )
        return x

    def _dropped(self, layers: Layers, x: Map) -> Map:
        return layers.dropout(x, self.dropout) if self.dropout else x

    def _require_size(self, x: Array) -> None:
        if self.convolutions == 'same':
            return self.require_multiples(x, self.levels - 1)
        factor = self.downsample.at(SITE).sampling

        def fits(n: int) -> bool:
            for _ in range(self.levels - 1):
                n -= 4
                if n < 1 or n % factor:
                    return False
                n //= factor
            for _ in range(self.levels - 1):
                n = (n - 4) * factor
            return n > 4

        return self.require_sides(
            x.shape[1:3], fits, "even at every pool after 'valid' convolutions"
        )


class UNetSmall(UNet):
    """Our small U-Net, quick on a CPU: 16, 32 and 64 features, batch norm, no dropout.

    Beside strategies other than APS and LPS it upsamples bilinearly. With three channels and two
    classes it has 109,698 parameters.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> model = UNetSmall(Max(), num_classes=2)
    >>> images = jax.ShapeDtypeStruct((1, 64, 64, 3), jnp.float32)
    >>> y, _ = jax.eval_shape(
    ...     lambda x: model.init_with_output(jax.random.key(0), x, train=False), images)
    >>> y.shape
    (1, 64, 64, 2)
    """

    IMAGES: ClassVar[tuple[int, int, int]] = (64, 64, 3)

    norm: str = 'batch'
    upsample: Upsampling = Matching()
    width: Annotated[int, Between(1, 4096)] = 16
    levels: Annotated[int, Between(1, 8)] = 3
    dropout: Share = 0.0


def _centre(skip: Map, x: Map) -> Map:
    """The middle of `skip`, as large as `x`."""
    low = [(n - m) // 2 for n, m in zip(skip.shape[1:3], x.shape[1:3], strict=True)]
    return skip[:, low[0] : low[0] + x.shape[1], low[1] : low[1] + x.shape[2]]
