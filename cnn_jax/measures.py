"""The measures of a trained network: their names, units and definitions in one place."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A measure's name, unit and definition.

    Attributes:
        label: Its name in tables, without its unit.
        percent: Whether it is a share, shown in percent.
        meaning: What it is, for the reader of a report.
        higher_is_better: None if neither direction is.
        chosen_as: The name in `Evaluation.measures` that selects it; None: every cell has it.
    """

    label: str
    percent: bool
    meaning: str
    higher_is_better: bool | None = True
    chosen_as: str | None = None


MEASURES: Mapping[str, Measure] = {
    'accuracy': Measure('accuracy', True, 'share of the test images classified right'),
    'consistency': Measure(
        'consistency', True, 'share whose class is the same under two random shifts'
    ),
    'consistent_and_right': Measure(
        'consistent and right', True, 'share that gets its own class under both shifts'
    ),
    'ece': Measure(
        'calibration error',
        True,
        'mean distance between confidence and accuracy, over 15 bins of confidence',
        higher_is_better=False,
        chosen_as='ece',
    ),
    'consistency_circular': Measure(
        'circular consistency',
        True,
        'consistency where what leaves at one side enters at the other',
        chosen_as='circular',
    ),
    'worst_case_accuracy': Measure(
        'worst-shift accuracy',
        True,
        'share classified right under every one of the shifts',
        chosen_as='worst_case',
    ),
    'consistency_half_pixel': Measure(
        'half-pixel consistency',
        True,
        'consistency under circular shifts by whole and half pixels, exact for what the pixels '
        'can hold',
        chosen_as='half_pixel',
    ),
    'averaged_accuracy': Measure(
        'averaged accuracy',
        True,
        'accuracy of the mean probability over nine shifts, by up to one pixel each way',
        chosen_as='averaged',
    ),
    'averaged_consistency': Measure(
        'averaged consistency',
        True,
        'consistency of the mean probability over nine shifts, by up to one pixel each way',
        chosen_as='averaged',
    ),
    'corruption_accuracy': Measure(
        'corruption accuracy',
        True,
        'accuracy under eight corruptions (noise, blur, light, pixelation), a mean over five '
        'severities',
        chosen_as='corruptions',
    ),
    'rotation_accuracy': Measure(
        'rotation accuracy',
        True,
        'accuracy on images turned by 6 to 30 degrees',
        chosen_as='rotation',
    ),
    'scale_accuracy': Measure(
        'scale accuracy',
        True,
        'accuracy on images enlarged or shrunk by 6 to 30%',
        chosen_as='scale',
    ),
    'aliasing': Measure(
        'aliasing',
        True,
        'energy of what reaches a pooling layer that is too fine for the grid it leaves, before '
        'any blur of its own; a mean over layers',
        higher_is_better=None,
        chosen_as='aliasing',
    ),
    'equivariance_error': Measure(
        'equivariance error',
        False,
        'distance between shifting then pooling and pooling then shifting, by one pixel, over the '
        "map's norm; a mean over pooling layers",
        higher_is_better=False,
        chosen_as='equivariance',
    ),
}
HEADLINES = tuple(name for name, measure in MEASURES.items() if measure.chosen_as is None)
"""What every cell has."""
CHOICES = (
    *dict.fromkeys(m.chosen_as for m in MEASURES.values() if m.chosen_as is not None),
    'inference',  # images per second, which is not a share
)
"""What `Evaluation.measures` may name."""
CHEAP = ('ece', 'circular', 'worst_case')
OF_THE_MACHINE = ('seconds', 'examples_per_second', 'inference_per_second')
"""The entries of results and summaries that differ between equal cells."""
