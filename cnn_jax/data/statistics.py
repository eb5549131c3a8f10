"""Mean and standard deviation of a split, for the model's input normalisation."""

import numpy as np
from jaxtyping import UInt8

_CHUNK = 256  # images summed at once: numpy widens them to 8 bytes per pixel


def channel_statistics(
    images: UInt8[np.ndarray, 'images height width channels'],
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images, on the scale 0 to 1; exact.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(2, 1, 1, 1))
    ((0.5,), (0.5,))
    """
    values = np.arange(256) / 255
    counts = np.zeros((images.shape[-1], 256), np.int64)
    for start in range(0, len(images), _CHUNK):
        for c, count in enumerate(counts):
            some = images[start : start + _CHUNK, ..., c]
            count += np.bincount(some.ravel(), minlength=256)
    means = [float(np.average(values, weights=count)) for count in counts]
    deviations = [
        float(np.sqrt(np.average((values - mean) ** 2, weights=count)))
        for mean, count in zip(means, counts, strict=True)
    ]
    return tuple(means), tuple(deviation or 1.0 for deviation in deviations)
