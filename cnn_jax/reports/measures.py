"""The measures of a cell, in words: one place for their names, units and definitions."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """How a measure is called and read.

    Attributes:
        label: In tables, without its unit.
        percent: Whether it is a share, shown in percent.
        meaning: What it is, for the reader of a report.
        higher_is_better: None where neither end is.
    """

    label: str
    percent: bool
    meaning: str
    higher_is_better: bool | None = True


MEASURES: Mapping[str, Measure] = {
    'accuracy': Measure('accuracy', True, 'share of the test images classified right'),
    'consistency': Measure(
        'consistency', True, 'share whose class is the same under two random shifts'
    ),
    'consistent_and_right': Measure(
        'consistent and right', True, 'share that gets its own class under both shifts'
    ),
    'consistency_circular': Measure(
        'circular consistency',
        True,
        'consistency where what leaves at one side enters at the other',
    ),
    'consistency_half_pixel': Measure(
        'half-pixel consistency',
        True,
        'consistency under circular shifts by whole and half pixels, exact for what the pixels '
        'can hold',
    ),
    'worst_case_accuracy': Measure(
        'worst-shift accuracy', True, 'share classified right under every one of the shifts'
    ),
    'ece': Measure(
        'calibration error',
        True,
        'mean distance between confidence and accuracy, over 15 bins of confidence',
        higher_is_better=False,
    ),
    'corruption_accuracy': Measure(
        'corruption accuracy',
        True,
        'accuracy under eight corruptions (noise, blur, light, pixelation), a mean over five '
        'severities',
    ),
    'rotation_accuracy': Measure(
        'rotation accuracy', True, 'accuracy on images turned by 6 to 30 degrees'
    ),
    'scale_accuracy': Measure(
        'scale accuracy', True, 'accuracy on images enlarged or shrunk by 6 to 30%'
    ),
    'aliasing': Measure(
        'aliasing',
        True,
        'energy of what reaches a pooling layer that is too fine for the grid it leaves, before '
        'any blur of its own; a mean over layers',
        higher_is_better=None,
    ),
    'equivariance_error': Measure(
        'equivariance error',
        False,
        'distance between shifting then pooling and pooling then shifting, by one pixel, over the '
        "map's norm; a mean over pooling layers",
        higher_is_better=False,
    ),
}
HEADLINES = ('accuracy', 'consistency', 'consistent_and_right')
"""What every cell has."""
