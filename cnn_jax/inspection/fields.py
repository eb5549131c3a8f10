"""Receptive-field arithmetic: which pixels the units of a map may depend on."""

from dataclasses import dataclass

from cnn_jax.ops.windows import Pairs


@dataclass(frozen=True)
class Window:
    """The part of its input that an output of a layer reads, on each axis.

    Output i reads elements `stride` * i - before to `stride` * i + after, with `reach` = ((before,
    after), ...).
    """

    reach: Pairs
    stride: tuple[int, ...] = (1, 1)

    @property
    def size(self) -> tuple[int, ...]:
        """How many elements an output reads on each axis.

        >>> Window(((1, 1), (0, 1))).size
        (3, 2)
        """
        return tuple(before + 1 + after for before, after in self.reach)


POINT = Window(((0, 0), (0, 0)))


@dataclass(frozen=True)
class ReceptiveField:
    """The pixels that the units of a map may depend on, on each axis.

    Unit i may depend on the `size` pixels from `start` + `stride` * i on, padding included: a start
    may be negative, a size larger than the image. For the arithmetic see Araujo, Norris & Sim,
    "Computing receptive fields of convolutional neural networks", Distill 2019.
    """

    size: tuple[int, ...] = (1, 1)
    stride: tuple[int, ...] = (1, 1)
    start: tuple[int, ...] = (0, 0)

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of the first unit's field, in pixels; the first pixel's middle is 0.

        >>> ReceptiveField(size=(2, 3)).centre
        (0.5, 1.0)
        """
        return tuple(
            start + (size - 1) / 2 for start, size in zip(self.start, self.size, strict=True)
        )

    def after(self, window: Window) -> 'ReceptiveField':
        """The field after a layer with that window.

        >>> field = ReceptiveField()
        >>> for _ in range(2):  # 3x3 convolutions of stride 2, padded by 1
        ...     field = field.after(Window(((1, 1), (1, 1)), (2, 2)))
        >>> field
        ReceptiveField(size=(7, 7), stride=(4, 4), start=(-3, -3))
        """
        axes = list(zip(self.size, self.stride, self.start, window.reach, strict=True))
        return ReceptiveField(
            tuple(size + (before + after) * jump for size, jump, _, (before, after) in axes),
            tuple(jump * step for jump, step in zip(self.stride, window.stride, strict=True)),
            tuple(start - before * jump for _, jump, start, (before, _) in axes),
        )

    def joined(self, other: 'ReceptiveField') -> 'ReceptiveField | None':
        """The smallest field that holds both; None, the whole image, where the strides differ.

        >>> wide, narrow = ReceptiveField((5, 5), start=(-2, -2)), ReceptiveField((3, 3))
        >>> wide.joined(narrow)
        ReceptiveField(size=(5, 5), stride=(1, 1), start=(-2, -2))
        """
        if self.stride != other.stride:
            return None
        start = tuple(map(min, self.start, other.start))
        stops = (
            max(a + n, b + m)
            for a, n, b, m in zip(self.start, self.size, other.start, other.size, strict=True)
        )
        size = tuple(stop - first for stop, first in zip(stops, start, strict=True))
        return ReceptiveField(size, self.stride, start)

    def of_unit(self, *unit: int) -> tuple[tuple[int, int], ...]:
        """The first and the last pixel of a unit's field, on each axis.

        >>> ReceptiveField((3, 3), (2, 2), (-1, -1)).of_unit(0, 5)
        ((-1, 1), (9, 11))
        """
        firsts = [a + s * i for a, s, i in zip(self.start, self.stride, unit, strict=True)]
        return tuple((first, first + n - 1) for first, n in zip(firsts, self.size, strict=True))
