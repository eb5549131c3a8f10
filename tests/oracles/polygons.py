"""Shapes from their corners: whether a point is inside one, by counting crossings."""

import math


def corners(kind: str, radius: float) -> list[tuple[float, float]]:
    """Corners (u, v) around the centre, in order; the first axis points down."""

    def ring(distances: list[float], start: float = 0.0) -> list[tuple[float, float]]:
        step = 2 * math.pi / len(distances)
        return [
            (d * math.cos(start + i * step), d * math.sin(start + i * step))
            for i, d in enumerate(distances)
        ]

    if kind == 'square':
        return ring([0.85 * radius * math.sqrt(2)] * 4, math.pi / 4)
    if kind == 'triangle':  # 0.62 radii from the centre to each side
        return ring([1.24 * radius] * 3, math.pi)
    if kind == 'star':  # 0.4 radii to the sides of the pentagon in it
        tip, dent = 0.4 / math.cos(0.4 * math.pi), 0.4 / math.cos(0.2 * math.pi)
        return ring([tip * radius, dent * radius] * 5)
    a, b = 0.35 * radius, 1.1 * radius
    quarter = [(a, a), (a, b), (-a, b), (-a, a)]
    return [
        (u * c - v * s, u * s + v * c)
        for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))
        for u, v in quarter
    ]


def shape_contains(kind: str, radius: float, angle: float, dy: float, dx: float) -> bool:
    """Whether the point (dy, dx) from its centre lies in a shape turned by `angle`."""
    if kind == 'disc':
        return math.hypot(dy, dx) <= radius
    u = math.cos(angle) * dy + math.sin(angle) * dx
    v = math.cos(angle) * dx - math.sin(angle) * dy
    inside = False
    points = corners(kind, radius)
    for (u0, v0), (u1, v1) in zip(points, points[1:] + points[:1], strict=True):
        if (v0 > v) != (v1 > v) and u < u0 + (v - v0) / (v1 - v0) * (u1 - u0):
            inside = not inside
    return inside
