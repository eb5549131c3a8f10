"""Image corruptions at five severities, after Hendrycks & Dietterich, ICLR 2019.

"Benchmarking neural network robustness to common corruptions and perturbations" defines the kinds;
the strengths here are our own, for small images, so results do not compare to CIFAR-10-C. Rotation
and scale are after Engstrom et al., ICML 2019. All draw from a seed with NumPy's Philox, give each
image the same corruption whatever the number of images, and return uint8.
"""

from collections.abc import Callable, Mapping

import numpy as np
from jaxtyping import Float, Integer, UInt8
from scipy import ndimage

from cnn_jax.errors import require, unknown_name
from cnn_jax.evaluation.accuracy import accuracy
from cnn_jax.evaluation.predict import Predict, predict_logits

Images = UInt8[np.ndarray, 'images height width channels']
SEVERITIES = (1, 2, 3, 4, 5)

_NOISE = (0.04, 0.06, 0.08, 0.09, 0.10)  # standard deviation, of a range of 1
_SHOT = (500, 250, 100, 75, 50)  # photons at white
_IMPULSE = (0.01, 0.02, 0.03, 0.05, 0.07)  # share of pixels
_BLUR = (0.4, 0.6, 0.7, 0.8, 1.0)  # standard deviation, pixels
_MOTION = (2, 3, 4, 5, 6)  # pixels along a row
_BRIGHTNESS = (0.05, 0.1, 0.15, 0.2, 0.3)
_CONTRAST = (0.75, 0.5, 0.4, 0.3, 0.15)
_PIXELS = (0.95, 0.9, 0.85, 0.75, 0.65)  # of the side
_DEGREES = (6, 12, 18, 24, 30)
_SCALES = (0.06, 0.12, 0.18, 0.24, 0.30)


def _unit(images: np.ndarray) -> Float[np.ndarray, '...']:
    return images.astype(np.float32) / 255


def _uint8(values: np.ndarray) -> Images:
    return np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)


def _draws(seed: int, images: int, of: tuple[int, ...], kind: str) -> np.ndarray:
    """Gaussian or uniform numbers (images, *of), each image from its own stream."""
    out = np.empty((images, *of), np.float32)
    for index in range(images):
        stream = np.random.Generator(np.random.Philox(key=[seed, index]))
        out[index] = stream.normal(size=of) if kind == 'normal' else stream.random(of)
    return out


def _gaussian_noise(images: Images, level: int, seed: int) -> Images:
    noise = _draws(seed, len(images), images.shape[1:], 'normal')
    return _uint8(_unit(images) + _NOISE[level] * noise)


def _shot_noise(images: Images, level: int, seed: int) -> Images:
    photons = _SHOT[level]
    out = np.empty(images.shape, np.float32)
    for index, image in enumerate(_unit(images)):
        stream = np.random.Generator(np.random.Philox(key=[seed, index]))
        out[index] = stream.poisson(image * photons) / photons
    return _uint8(out)


def _impulse_noise(images: Images, level: int, seed: int) -> Images:
    drawn = _draws(seed, len(images), images.shape[1:], 'uniform')
    share = _IMPULSE[level]
    salted = np.where(drawn < share / 2, np.uint8(0), images)
    return np.where(drawn >= 1 - share / 2, np.uint8(255), salted).astype(np.uint8)


def _gaussian_blur(images: Images, level: int, seed: int) -> Images:
    del seed
    sigma = (0, _BLUR[level], _BLUR[level], 0)
    return _uint8(ndimage.gaussian_filter(_unit(images), sigma, mode='nearest', truncate=4.0))


def _motion_blur(images: Images, level: int, seed: int) -> Images:
    del seed
    length = _MOTION[level]
    return _uint8(ndimage.uniform_filter1d(_unit(images), length, axis=2, mode='nearest'))


def _brightness(images: Images, level: int, seed: int) -> Images:
    del seed
    return _uint8(_unit(images) + _BRIGHTNESS[level])


def _contrast(images: Images, level: int, seed: int) -> Images:
    del seed
    values = _unit(images)
    mean = values.mean((1, 2), keepdims=True)
    return _uint8((values - mean) * _CONTRAST[level] + mean)


def _pixelate(images: Images, level: int, seed: int) -> Images:
    """Nearest-neighbour on a coarser grid: each pixel takes the value at its cell's centre."""
    del seed

    def coarse(size: int) -> np.ndarray:
        few = max(1, int(size * _PIXELS[level]))
        cell = np.arange(size) * few // size
        return ((cell + 0.5) * size / few).astype(int)

    rows, columns = (coarse(size) for size in images.shape[1:3])
    return images[:, rows][:, :, columns]


def warp(images: Images, *, degrees: int | float = 0.0, scale: int | float = 1.0) -> Images:
    """Rotates images counter-clockwise and scales them about their centre; what moves in is black.

    Bilinear: each pixel takes the value of the image at the point that is mapped to it.

    >>> image = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    >>> warp(image, degrees=90)[0, :, :, 0].tolist()
    [[2, 5, 8], [1, 4, 7], [0, 3, 6]]
    """
    _, height, width, _ = images.shape
    turn = np.deg2rad(degrees)
    down, right = np.mgrid[:height, :width].astype(np.float64)
    down, right = down - (height - 1) / 2, right - (width - 1) / 2
    source = (  # the inverse map
        (np.cos(turn) * down + np.sin(turn) * right) / scale + (height - 1) / 2,
        (np.cos(turn) * right - np.sin(turn) * down) / scale + (width - 1) / 2,
    )
    source = tuple(np.round(axis, 9) for axis in source)
    low = [np.floor(axis).astype(int) for axis in source]
    part = [axis - below for axis, below in zip(source, low, strict=True)]
    padded = np.pad(_unit(images), ((0, 0), (1, 1), (1, 1), (0, 0)))
    out = np.zeros(images.shape, np.float64)
    for i, j in np.ndindex(2, 2):
        rows = np.clip(low[0] + i, -1, height) + 1
        columns = np.clip(low[1] + j, -1, width) + 1
        weight = (part[0] if i else 1 - part[0]) * (part[1] if j else 1 - part[1])
        out += padded[:, rows, columns] * weight[..., None]
    return _uint8(out)


def _rotation(images: Images, level: int, seed: int) -> Images:
    """Rotates half of the images one way and half the other."""
    del seed
    both = [warp(images[which::2], degrees=(1, -1)[which] * _DEGREES[level]) for which in (0, 1)]
    return _interleaved(both, images)


def _scale(images: Images, level: int, seed: int) -> Images:
    del seed
    both = [warp(images[which::2], scale=1 + (1, -1)[which] * _SCALES[level]) for which in (0, 1)]
    return _interleaved(both, images)


def _interleaved(both: list[np.ndarray], images: Images) -> Images:
    out = np.empty_like(images)
    out[0::2], out[1::2] = both
    return out


CORRUPTIONS: Mapping[str, Callable[[Images, int, int], Images]] = {
    'gaussian_noise': _gaussian_noise,
    'shot_noise': _shot_noise,
    'impulse_noise': _impulse_noise,
    'gaussian_blur': _gaussian_blur,
    'motion_blur': _motion_blur,
    'brightness': _brightness,
    'contrast': _contrast,
    'pixelate': _pixelate,
}
"""Those whose mean is the corruption accuracy."""

_ALL = {**CORRUPTIONS, 'rotation': _rotation, 'scale': _scale}


def corrupt(images: Images, kind: str, severity: int, *, seed: int = 0) -> Images:
    """The images with one corruption of `CORRUPTIONS`, or 'rotation' or 'scale'.

    severity: 1 to 5. Rotation is by 6 to 30 degrees, every second image the other way; scale is by
    1 + 0.06 to 1 + 0.30, and for every second image by 1 minus the same amount.

    >>> image = np.full((1, 4, 4, 1), 100, np.uint8)
    >>> corrupt(image, 'brightness', 5)[0, 0, 0].tolist()
    [177]
    """
    if kind not in _ALL:
        raise unknown_name('corruption', kind, _ALL)
    require(severity in SEVERITIES, f'severity must be 1 to 5; got {severity!r}.')
    require(
        images.ndim == 4 and images.dtype == np.uint8,
        f'images must be uint8 (images, height, width, channels); got {images.dtype} '
        f'{images.shape}.',
    )
    return _ALL[kind](images, severity - 1, seed)


def accuracy_under(
    predict: Predict,
    images: Images,
    labels: Integer[np.ndarray, 'images'],
    kind: str,
    *,
    seed: int = 0,
    batch_size: int = 256,
) -> tuple[float, ...]:
    """The accuracy on the corrupted images, for each of the five severities.

    >>> def bright(images):
    ...     mean = images.mean((1, 2, 3)) / 255.0
    ...     return np.stack([0.5 - mean, mean - 0.5], 1)
    >>> images = np.full((1, 4, 4, 1), 90, np.uint8)
    >>> accuracy_under(bright, images, np.array([0]), 'brightness')
    (1.0, 1.0, 0.0, 0.0, 0.0)
    """
    found = []
    for severity in SEVERITIES:
        changed = corrupt(images, kind, severity, seed=seed)
        found.append(accuracy(predict_logits(predict, changed, batch_size=batch_size), labels))
    return tuple(found)
