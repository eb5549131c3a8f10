"""Hand-made filters for any image."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cnn_jax import ops
from cnn_jax.errors import require

HAND_FILTERS: Mapping[str, Float[np.ndarray, '3 3']] = {
    'vertical edge': np.array([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    'horizontal edge': np.array([[-1.0, -2, -1], [0, 0, 0], [1, 2, 1]]),
    'vertical bar': np.array([[-1.0, 2, -1], [-1, 2, -1], [-1, 2, -1]]),
    'horizontal bar': np.array([[-1.0, -1, -1], [2, 2, 2], [-1, -1, -1]]),
    'blur': np.array([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16,
    'sharpen': np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
}
"""Sobel's edges, bars, the binomial blur and a sharpening filter, by name."""


def gabor(
    size: int = 9, *, wavelength: float = 4.0, angle: float = 0.0, sigma: float = 2.0
) -> Float[np.ndarray, 'size size']:
    """A wave under a Gaussian, as cells of the visual cortex and first layers respond to.

    cos(2 pi u / wavelength) exp(-(u^2 + v^2) / (2 sigma^2)) (Daugman 1985), in pixels, where u
    points at `angle` (radians; 0: to the right, so that it responds to vertical stripes); shifted
    to mean 0.
    Raises BadInput for an even size and for lengths that are not above 0.

    >>> g = gabor(7)
    >>> g.shape, float(abs(g.mean()) < 1e-9), bool(np.allclose(g, g[::-1]))
    ((7, 7), 1.0, True)
    """
    require(
        isinstance(size, int) and size >= 1 and size % 2 == 1,
        f'size must be an odd number of pixels; got {size}.',
    )
    require(
        min(wavelength, sigma) > 0,
        f'wavelength and sigma must be above 0 pixels; got {wavelength} and {sigma}.',
    )
    v, u = np.mgrid[:size, :size] - (size - 1) / 2
    across = u * np.cos(angle) + v * np.sin(angle)
    wave = np.cos(2 * np.pi * across / wavelength) * np.exp(-(u**2 + v**2) / (2 * sigma**2))
    return wave - wave.mean()


def apply_filter(
    images: Float[Array, 'batch height width channels'],
    kernel: Float[Array | np.ndarray, 'kernel_height kernel_width'],
) -> Float[Array, 'batch height width channels']:
    """Correlates every channel with the kernel, with replicated borders.

    >>> images = jnp.zeros((1, 4, 4, 1)).at[:, :, 2:].set(1.0)
    >>> apply_filter(images, HAND_FILTERS['vertical edge'])[0, 1, :, 0].tolist()
    [0.0, 4.0, 4.0, 0.0]
    """
    require(
        images.ndim == 4 and getattr(kernel, 'ndim', 0) == 2,
        f'images must be (batch, height, width, channels) and kernel (height, width), such as '
        f"HAND_FILTERS['blur']; got {getattr(images, 'shape', images)} and "
        f'{getattr(kernel, "shape", kernel)!r}.',
    )
    channels = images.shape[-1]
    weights = jnp.broadcast_to(
        jnp.asarray(kernel, images.dtype)[:, :, None, None], (*kernel.shape, 1, channels)
    )
    return ops.conv(images, weights, groups=channels, fill='replicate')
