"""Random numbers, textures and noise for drawn images, the same on every machine."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, UInt8

from cnn_jax.data.hashing import random_bits

_NOISE = 32  # grey levels, peak to peak
_CHUNK = 256  # images whose noise is drawn at once
_BASE = 60, 196  # range of a layer's colours
_STRENGTH = 5, 35  # of its grating
_FREQUENCY = 0.25  # of a grating, at most, in periods a pixel


def real(
    shape: tuple[int, ...], low: int | float, high: int | float, *, seed: int, stream: int
) -> Float[np.ndarray, '...']:
    """Numbers uniform in [low, high), multiples of (high - low) / 2^32.

    >>> real((2,), 0, 1, seed=0, stream=0).round(3).tolist()
    [0.203, 0.338]
    """
    bits = random_bits(int(np.prod(shape)), seed=seed, stream=stream) >> np.uint64(32)
    return low + (high - low) * (bits.astype(np.float64) / 2**32).reshape(shape)


def whole(
    shape: tuple[int, ...], low: int, high: int, *, seed: int, stream: int
) -> Int[np.ndarray, '...']:
    """Whole numbers in [low, high).

    >>> whole((4,), 0, 10, seed=0, stream=0).tolist()
    [6, 5, 3, 7]
    """
    bits = random_bits(int(np.prod(shape)), seed=seed, stream=stream) >> np.uint64(32)
    return low + (bits.astype(np.int64) % (high - low)).reshape(shape)


def textured(
    count: int, layers: int, side: int, *, seed: int, stream: int
) -> Iterator[Float[np.ndarray, 'layers side side 3']]:
    """For each image its layers, each a colour with a grating of some direction and width on it.

    >>> next(textured(1, 2, 8, seed=0, stream=0)).shape
    (2, 8, 8, 3)
    """
    shape = count, layers
    colour = real((*shape, 3), *_BASE, seed=seed, stream=stream)
    strength = real((*shape, 3), -1, 1, seed=seed, stream=stream + 1)
    strength = strength * real((*shape, 1), *_STRENGTH, seed=seed, stream=stream + 2)
    down, right, start = (
        real(shape, -limit, limit, seed=seed, stream=stream + 3 + i)
        for i, limit in enumerate((_FREQUENCY, _FREQUENCY, 0.5))
    )
    places = np.arange(side)
    for index in range(count):
        rows, columns = down[index, :, None, None], right[index, :, None, None]
        phase = rows * places[:, None] + columns * places + start[index, :, None, None]
        wave = 4 * abs(phase - np.floor(phase) - 0.5) - 1  # triangular, from -1 to 1
        yield colour[index, :, None, None] + strength[index, :, None, None] * wave[..., None]


def noisy(
    count: int, side: int, *, seed: int, stream: int
) -> Iterator[Float[np.ndarray, 'side side 3']]:
    """For each image independent noise of zero mean in each pixel and channel.

    >>> abs(next(noisy(1, 8, seed=0, stream=0))).max() <= 16
    np.True_
    """
    words = -(-side * side * 3 // 8)
    for start in range(0, count, _CHUNK):
        number = min(_CHUNK, count - start)
        bits = random_bits(number * words, seed=seed, stream=stream + (start << 16))
        drawn = bits.astype('<u8').view(np.uint8).reshape(number, -1)[:, : side * side * 3]
        for one in drawn.reshape(number, side, side, 3):
            yield (one / 255 - 0.5) * _NOISE


def mixed(
    shares: Float[np.ndarray, 'layers side side'],
    layers: Float[np.ndarray, 'layers side side 3'],
    noise: Float[np.ndarray, 'side side 3'],
) -> UInt8[np.ndarray, 'side side 3']:
    """Each layer by its share of each pixel, and noise over all.

    >>> white = np.full((1, 2, 2, 3), 255.0)
    >>> int(mixed(np.ones((1, 2, 2)), white, np.zeros((2, 2, 3))).min())
    255
    """
    total = noise
    for share, layer in zip(shares, layers, strict=True):  # in this order: sums of NumPy's differ
        total = total + share[..., None] * layer
    return np.clip(np.rint(total), 0, 255).astype(np.uint8)
