"""Transposed convolution: a convolution at stride 1 whose features are the phases of the result."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cnn_jax.ops.axis import split_axis
from cnn_jax.ops.conv import conv
from cnn_jax.ops.phases import merge_blocks, two_strides
from cnn_jax.ops.windows import Fill, Padding, check_fill, padding_pairs, require_2d


def conv_transpose(
    x: Float[Array, 'batch height width channels'],
    kernel: Float[Array, 'kernel_height kernel_width channels features'],
    *,
    stride: int | Sequence[int] = 2,
    padding: Padding = 'same',
    fill: Fill = 'zero',
) -> Float[Array, 'batch out_height out_width features']:
    """y[s i + u] += x[i] kernel[u]: every element adds a multiple of the kernel to the result.

    'valid' gives all of it, (n - 1) * stride + window elements on each axis; pairs are cropped off
    its low and high ends, so ((p, p), (p, p)) is torch's `padding=p`; 'same' crops window - stride,
    the odd one at the high end, to stride * n. `fill` says what lies beyond the border of `x`;
    'circular' with 'same' commutes with circular shifts of `x`.

    It is the adjoint of a strided convolution with the kernel's channels and features exchanged.
    No zeros are put between the elements: phase p of the result is a convolution of `x` at stride
    1 with every stride-th element of the kernel, from p.

    Raises ValueError where channels do not match, and for a padding that leaves nothing.

    >>> x, kernel = jnp.array([1.0, 10.0]).reshape(1, 1, 2, 1), jnp.ones((1, 3, 1, 1))
    >>> conv_transpose(x, kernel, stride=(1, 2), padding='valid')[0, 0, :, 0].tolist()
    [1.0, 1.0, 11.0, 10.0, 10.0]
    """
    require_2d('conv_transpose', x)
    strides = two_strides(stride)
    if kernel.ndim != 4 or kernel.shape[2] != x.shape[-1]:
        raise ValueError(
            f'kernel must be (height, width, channels, features) with the {x.shape[-1]} channels '
            f'of x; got {kernel.shape}'
        )
    check_fill('fill', fill)
    window = kernel.shape[:2]
    pairs = _cropped(window, strides, padding)
    taps = [-(-k // s) for k, s in zip(window, strides, strict=True)]
    rows = _phases_as_features(kernel, taps, strides)
    around = tuple((m - 1, m - 1) for m in taps)
    blocks = conv(x, rows, padding=around, fill=fill)
    features = kernel.shape[3]
    phases = split_axis(split_axis(blocks, 3, strides[1] * features), 4, features)
    whole = merge_blocks(phases.transpose(0, 1, 3, 2, 4, 5))
    start, stop = [], []
    for n, k, s, (low, high) in zip(x.shape[1:3], window, strides, pairs, strict=True):
        start.append(low)
        stop.append((n - 1) * s + k - high)
        if stop[-1] <= low:
            raise ValueError(f'padding must leave an element; got {padding!r} for {x.shape[1:3]}')
    return lax.slice(whole, (0, *start, 0), (whole.shape[0], *stop, whole.shape[-1]))


def _cropped(
    window: Sequence[int], strides: Sequence[int], padding: Padding
) -> tuple[tuple[int, int], ...]:
    """What is cut off at the low and the high end of each axis."""
    if padding != 'same':
        return padding_pairs(padding, tuple(window))
    if any(k < s for k, s in zip(window, strides, strict=True)):
        raise ValueError(
            f"padding 'same' needs a window of at least the stride {tuple(strides)}; "
            f'got {tuple(window)}'
        )
    return tuple(((k - s) // 2, k - s - (k - s) // 2) for k, s in zip(window, strides, strict=True))


def _phases_as_features(kernel: Array, taps: Sequence[int], strides: Sequence[int]) -> Array:
    """The kernel at stride 1: (*taps, channels, phases * features)."""
    (m, n), (s, t) = taps, strides
    height, width, channels, features = kernel.shape
    more = [(0, m * s - height, 0), (0, n * t - width, 0), (0, 0, 0), (0, 0, 0)]
    kernel = lax.pad(kernel, jnp.zeros((), kernel.dtype), more)
    blocks = kernel.reshape(m, s, n, t, channels, features)[::-1, :, ::-1]
    return blocks.transpose(0, 2, 4, 1, 3, 5).reshape(m, n, channels, s * t * features)


def bilinear_kernel(window: int, channels: int) -> np.ndarray:
    """The kernel with which a transposed convolution of stride window / 2 interpolates linearly.

    Each channel becomes the feature of its number (Long et al., CVPR 2015, section 3.3).

    >>> bilinear_kernel(4, 1)[0, :, 0, 0].tolist()
    [0.0625, 0.1875, 0.1875, 0.0625]
    """
    half = (window + 1) // 2
    centre = half - 1 if window % 2 else half - 0.5
    row = 1 - np.abs(np.arange(window) - centre) / half
    return np.outer(row, row)[:, :, None, None] * np.eye(channels)
