"""The measures of a trained network: their names, units and definitions in one place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


_OF_ANY_NETWORK = {
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
_CLASSIFICATION = {
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
    **_OF_ANY_NETWORK,
}
_SEGMENTATION = {
    'accuracy': Measure(
        'mIoU',
        True,
        'mean over classes of the intersection of predicted and true pixels over their union, '
        'counted over all test images',
    ),
    'consistency': Measure(
        'mASSC',
        True,
        'share of pixels whose class is the same under two random shifts, where both see them; a '
        'mean over images',
    ),
    'pixel_accuracy': Measure('pixel accuracy', True, 'share of the pixels classified right'),
    'consistency_foreground': Measure(
        'foreground mASSC',
        True,
        'mASSC over the pixels that either prediction calls something else than class 0',
        chosen_as='foreground',
    ),
    'consistency_circular': Measure(
        'circular mASSC',
        True,
        'mASSC where what leaves at one side enters at the other',
        chosen_as='circular',
    ),
    'boundary_iou': Measure(
        'boundary IoU',
        True,
        "mIoU of the pixels within two of their region's border",
        chosen_as='boundary',
    ),
    **_OF_ANY_NETWORK,
}
_DETECTION = {
    'accuracy': Measure(
        'mAP', True, 'mean average precision over classes and IoU thresholds of 0.5 to 0.95'
    ),
    'consistency': Measure(
        'box agreement',
        True,
        'share of boxes that have a partner of their class, with an IoU of at least 0.5, under two '
        'random shifts; a mean over images',
    ),
    'average_precision_50': Measure('AP50', True, 'mean average precision at an IoU of 0.5'),
    'accuracy_lower': Measure(
        'lower mAP', True, 'mAP if every image is shifted in its worst way', chosen_as='bounds'
    ),
    'accuracy_upper': Measure(
        'upper mAP', True, 'mAP if every image is shifted in its best way', chosen_as='bounds'
    ),
    **_OF_ANY_NETWORK,
}
_KEYPOINTS = {
    'accuracy': Measure(
        'within 1 pixel', True, 'share of the keypoints predicted within one pixel of the truth'
    ),
    'consistency': Measure(
        'steady keypoints',
        True,
        'share of the keypoints that move by exactly as much as the image, to a quarter of a '
        'pixel, between two random shifts',
    ),
    'keypoint_error': Measure(
        'error (pixels)',
        False,
        'mean distance of a keypoint from the truth',
        higher_is_better=False,
    ),
    'keypoint_drift': Measure(
        'drift (pixels)',
        False,
        'mean distance between the keypoints predicted under two random shifts, moved back',
        higher_is_better=False,
    ),
    'phase_bias': Measure(
        'phase bias (pixels)',
        False,
        'how far the mean error depends on where in its pixel a keypoint lies: half the range over '
        'eight bins, the larger of the two axes',
        higher_is_better=False,
        chosen_as='phase',
    ),
    **_OF_ANY_NETWORK,
}
MEASURES: Mapping[str, Mapping[str, Measure]] = {
    'classification': _CLASSIFICATION,
    'segmentation': _SEGMENTATION,
    'detection': _DETECTION,
    'keypoints': _KEYPOINTS,
}
"""Those of each task. Every task has an accuracy and a consistency, the two in which strategies are
compared: shares, of which more is better."""
CHEAP: Mapping[str, tuple[str, ...]] = {
    'classification': ('ece', 'circular', 'worst_case'),
    'segmentation': ('circular', 'foreground'),
    'detection': (),
    'keypoints': ('phase',),
}
"""What is measured where a config does not choose."""
OF_THE_MACHINE = ('seconds', 'examples_per_second', 'inference_per_second')
"""The entries of results and summaries that differ between equal cells."""


def measures_of(config: Mapping[str, Any]) -> Mapping[str, Measure]:
    """Those of a recorded config, whose task is classification where it names none.

    >>> measures_of({'task': 'segmentation'})['accuracy'].label
    'mIoU'
    """
    return MEASURES[config.get('task', 'classification')]


def headlines(task: str) -> tuple[str, ...]:
    """What every cell of a task has.

    >>> headlines('classification')
    ('accuracy', 'consistency', 'consistent_and_right')
    """
    return tuple(name for name, measure in MEASURES[task].items() if measure.chosen_as is None)


def choices(task: str) -> tuple[str, ...]:
    """What `Evaluation.measures` may name; 'inference', images per second, is not a share.

    >>> choices('segmentation')
    ('foreground', 'circular', 'boundary', 'aliasing', 'equivariance', 'inference')
    """
    chosen = (measure.chosen_as for measure in MEASURES[task].values())
    return (*dict.fromkeys(name for name in chosen if name is not None), 'inference')
