"""How much of a map is too fine for the grid on which it is about to be sampled."""

import numpy as np
from jaxtyping import Float

from cnn_jax.errors import require


def energy_above_nyquist(
    maps: Float[np.ndarray, 'batch height width channels'], *, stride: int | tuple[int, int]
) -> float:
    """The share of the maps' energy at frequencies above the Nyquist frequency of every `stride`.

    After the aliasing score of Chen et al., ICLR 2024 ("When semantic segmentation meets frequency
    aliasing"): the share of the squared magnitudes of the 2-D Fourier transform, without the mean,
    that lies above 1 / (2 stride) cycles per pixel along either axis. After sampling, these cannot
    be told apart from lower frequencies. Averaged over all images and channels that are not flat.

    >>> row = np.cos(np.pi * np.arange(8)).reshape(1, 1, 8, 1) * np.ones((1, 8, 1, 1))
    >>> energy_above_nyquist(row, stride=2)
    1.0
    >>> slow = np.cos(np.pi / 4 * np.arange(8)).reshape(1, 1, 8, 1) * np.ones((1, 8, 1, 1))
    >>> round(energy_above_nyquist(slow, stride=2), 6)
    0.0
    """
    strides = (stride, stride) if isinstance(stride, int) else stride
    require(
        maps.ndim == 4 and maps.size > 0 and min(strides) >= 1,
        f'maps must be (batch, height, width, channels) and stride at least 1; got {maps.shape}, '
        f'{stride}.',
    )
    energy = np.abs(np.fft.fft2(np.asarray(maps, np.float64), axes=(1, 2))) ** 2
    energy[:, 0, 0] = 0
    above = [
        np.abs(np.fft.fftfreq(size)) > 1 / (2 * step) + 1e-9
        for size, step in zip(maps.shape[1:3], strides, strict=True)
    ]
    high = energy * (above[0][:, None] | above[1][None, :])[None, :, :, None]
    total = energy.sum((1, 2))
    scale = (np.asarray(maps, np.float64) ** 2).sum((1, 2)) * maps.shape[1] * maps.shape[2]
    alive = total > 1e-12 * scale
    shares = high.sum((1, 2))[alive] / total[alive]
    return float(shares.mean()) if alive.any() else 0.0
