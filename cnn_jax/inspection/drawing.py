"""A picture drawn by code, in place of a photograph."""

import numpy as np
from jaxtyping import Float


def house(size: int = 96) -> Float[np.ndarray, 'size size 3']:
    """A house with brick walls between two lamp posts, from 0 to 1: edges, bars and fine stripes.

    >>> house(64).shape, float(house(64).min()) >= 0, float(house(64).max()) <= 1
    ((64, 64, 3), True, True)
    """
    v, u = (np.mgrid[:size, :size] + 0.5) / size  # 0 to 1, downwards and to the right
    image = np.empty((size, size, 3))
    image[:] = np.stack([0.55 + 0.3 * v, 0.72 + 0.2 * v, np.full_like(v, 0.95)], -1)

    def paint(where: np.ndarray, colour: tuple[float, float, float]) -> None:
        image[where] = colour

    paint(v > 0.82, (0.42, 0.58, 0.33))
    walls = (abs(u - 0.5) < 0.25) & (v > 0.42) & (v < 0.86)
    paint(walls, (0.72, 0.36, 0.26))
    course = np.floor((v - 0.42) / 0.04)
    mortar = ((v - 0.42) % 0.04 < 0.011) | ((u + 0.04 * (course % 2)) % 0.08 < 0.011)
    paint(walls & mortar, (0.88, 0.82, 0.74))
    roof = (v > 0.18) & (v < 0.42) & (abs(u - 0.5) < 0.32 * (v - 0.18) / 0.24)
    paint(roof, (0.35, 0.23, 0.24))
    paint(roof & ((v * 40) % 1 < 0.3), (0.48, 0.33, 0.33))
    for left in (0.32, 0.58):
        paint((u > left) & (u < left + 0.1) & (v > 0.5) & (v < 0.62), (0.93, 0.90, 0.62))
        paint((abs(u - left - 0.05) < 0.008) & (v > 0.5) & (v < 0.62), (0.2, 0.2, 0.22))
    paint((abs(u - 0.5) < 0.05) & (v > 0.66) & (v < 0.86), (0.25, 0.20, 0.36))
    for post in (0.11, 0.89):
        paint((abs(u - post) < 0.012) & (v > 0.34) & (v < 0.88), (0.15, 0.15, 0.17))
        paint((u - post) ** 2 + (v - 0.31) ** 2 < 0.04**2, (1.0, 0.93, 0.60))
    return image
