"""Strategies that contain convolutions, with batch norm and activation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from cnn_jax import ops
from cnn_jax.errors import require
from cnn_jax.fields import Between
from cnn_jax.ops.windows import Pairs, require_2d
from cnn_jax.strategies.base import Strategy

Two = Annotated[int, Between(2, 2)]  # the only stride that these are defined for


@dataclass(frozen=True)
class SPDConv(Strategy):
    """Space to depth, then a convolution of stride 1 (Sunkara & Luo, ECML 2022, "SPD-Conv").

    [space to depth - conv - batch norm - SiLU]; the convolution returns to the input's channels.

    Authors: in place of strided convolutions and pools of YOLOv5 and ResNet; the convolution's
    features are the network's. Here: at every site, between the network's own convolutions.
    """

    name: ClassVar[str] = 'spd_conv'
    kernel_size: Annotated[int, Between(1, 15)] = 3
    stride: Two = 2

    def __post_init__(self):
        super().__post_init__()
        require(
            self.kernel_size % 2 == 1,
            f'SPDConv: kernel_size must be odd; got {self.kernel_size!r}.',
        )

    def reach(self, size: Sequence[int]) -> Pairs | None:
        around = self.stride * (self.kernel_size // 2)
        return ((around, around + self.stride - 1),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        require_2d('SPDConv', x)
        parts = ops.space_to_depth(x, stride=self.stride)
        y = layer.conv_norm(
            parts, x.shape[-1], self.kernel_size, stride=1, padding='same', train=train
        )
        return jax.nn.silu(y)


@dataclass(frozen=True)
class HWD(Strategy):
    """The four bands of a Haar transform, a 1x1 convolution, norm and ReLU (Xu et al. 2023).

    "Haar wavelet downsampling", Pattern Recognition 143. The bands are an orthogonal map of the
    output of space to depth, so with a 1x1 convolution after it both are the same class of
    functions; they start at different points and learn at different speeds.

    Authors: in place of max pools and strided convolutions of segmentation networks, with a
    convolution to the next stage's features. Here: back to the channels of the input.
    """

    name: ClassVar[str] = 'haar'
    stride: Two = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((0, self.stride - 1),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        require_2d('HWD', x)
        bands = ops.haar_bands(x)
        return jax.nn.relu(layer.conv_norm(bands, x.shape[-1], 1, stride=1, train=train))


@dataclass(frozen=True)
class ADown(Strategy):
    """YOLOv9's downsampling: half of the channels strided, half pooled (Wang et al. 2024).

    arXiv:2402.13616, as in its code: a 2x2 average at stride 1; on the first half of the channels
    a 3x3 convolution of stride 2, on the second a 3x3 max pool of stride 2 and a 1x1 convolution,
    each with batch norm and SiLU; then both are concatenated.

    Authors: in YOLOv9 in place of strided convolutions, with a free number of features. Here: half
    of the input's channels each, at least two in all.
    """

    name: ClassVar[str] = 'adown'
    stride: Two = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((1, 2),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        require_2d('ADown', x)
        channels = x.shape[-1]
        require(channels >= 2, f'ADown halves the channels, so it needs at least 2; got {channels}')
        half, around = channels // 2, ((1, 1), (1, 1))
        first, second = jnp.split(ops.avg_pool(x, window=2, stride=1), [half], axis=-1)
        one = layer.conv_norm(first, half, 3, stride=2, padding=around, train=train, number=1)
        most = ops.max_pool(second, window=3, stride=2, padding=around)
        other = layer.conv_norm(most, channels - half, 1, stride=1, train=train, number=2)
        return jax.nn.silu(jnp.concatenate([one, other], axis=-1))


@dataclass(frozen=True)
class SCDown(Strategy):
    """YOLOv10's downsampling: channels, then space (Wang et al., NeurIPS 2024, section 3.2).

    A 1x1 convolution with batch norm and SiLU, then a depthwise 3x3 convolution of stride 2 with
    batch norm and no activation.

    Authors: in YOLOv10 in place of strided convolutions that double the channels. Here: the
    channels stay.
    """

    name: ClassVar[str] = 'scdown'
    stride: Two = 2

    def reach(self, size: Sequence[int]) -> Pairs | None:
        return ((1, 1),) * len(size)

    def __call__(self, x: Array, *, train: bool, layer: nn.Module) -> Array:
        require_2d('SCDown', x)
        channels, around = x.shape[-1], ((1, 1), (1, 1))
        mixed = jax.nn.silu(layer.conv_norm(x, channels, 1, stride=1, train=train, number=1))
        return layer.conv_norm(
            mixed,
            channels,
            3,
            stride=2,
            padding=around,
            groups=channels,
            train=train,
            number=2,
        )


CONVOLVED = (SPDConv, HWD, ADown, SCDown)
__all__ = ['ADown', 'HWD', 'SCDown', 'SPDConv']
