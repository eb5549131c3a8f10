"""How a trained model is evaluated: the part of a config that chooses its measures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from cnn_jax.errors import require, require_int, unknown_name
from cnn_jax.measures import MEASURES, OF_THE_MACHINE, choices

Own = Callable[..., Any]  # a function or class of the user's own
_TAKEN = frozenset(  # names in results and summaries, which a user's own metric may not use
    (
        *(name for measures in MEASURES.values() for name in measures),
        *OF_THE_MACHINE,
        *('status', 'message', 'step', 'parameters', 'flops_per_example', 'activation_bytes'),
        *('loss', 'worst_case_images', 'corruption_accuracies', 'aliasing_by_layer'),
        *('equivariance_by_layer', 'near_chance', 'missing', 'failed', 'diverged', 'seeds'),
        *('seed', 'spread', 'strategy', 'metric'),
    )
)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a trained model is evaluated, always on every test image.

    Attributes:
        max_shift: Pixels each way, for shift consistency, worst case and maps.
        border: The border for the main consistency metric, 'zero' or 'circular'.
        measures: What is measured besides accuracy, consistency and loss; None: the cheap ones of
            the task. For classification: 'ece' (calibration), 'circular' (consistency with a
            circular border) and 'worst_case' (right under all shifts), which are the cheap ones;
            'half_pixel' (consistency under shifts by half pixels), 'corruptions', 'rotation' and
            'scale' (accuracy under them, a mean over five severities) and 'averaged' (accuracy and
            consistency of the mean over nine shifts). For segmentation: 'circular' and 'foreground'
            (consistency so bordered, or of what is not class 0), which are the cheap ones, and
            'boundary' (IoU near the regions' borders). For detection: 'bounds' (mAP under every
            image's worst and best shift). For keypoints: 'phase' (the error by the place within a
            pixel). For all: 'aliasing' (energy at a pooling layer that is too fine for its output
            grid, before its own blur), 'equivariance' (how far pooling layers are from it) and
            'inference' (images per second).
        hard_images: How many test images, evenly spaced, are corrupted, rotated, scaled, averaged
            over shifts and shifted by fractions of a pixel; 0: all.
        worst_case_images: How many test images, evenly spaced, are tried under all shifts; 0: all.
        maps: How many test images get a map of probability over shifts.
        batch_size: Images in one forward pass.
        metrics: Your own functions, `metric(predict, images, labels) -> float`, where `predict`
            maps uint8 images to logits; each is reported under its own name.
    """

    max_shift: int = 3
    border: str = 'zero'
    measures: tuple[str, ...] | None = None
    hard_images: int = 1000
    worst_case_images: int = 500
    maps: int = 16
    batch_size: int = 250
    metrics: Annotated[tuple[Own, ...], tyro.conf.Suppress] = ()

    def __post_init__(self):
        require_int('evaluation.max_shift', self.max_shift, 1)
        require_int('evaluation.worst_case_images', self.worst_case_images, 0)
        require_int('evaluation.hard_images', self.hard_images, 0)
        require_int('evaluation.maps', self.maps, 0)
        require_int('evaluation.batch_size', self.batch_size, 1)
        if self.border not in ('zero', 'circular'):
            raise unknown_name('evaluation.border', str(self.border), ('zero', 'circular'))
        require(
            self.measures is None or isinstance(self.measures, tuple),
            f'evaluation.measures must be a tuple of names, or None; got {self.measures!r}.',
        )
        known = tuple(dict.fromkeys(name for task in MEASURES for name in choices(task)))
        for measure in self.measures or ():
            if measure not in known:
                raise unknown_name('measure', str(measure), known)
        require(
            isinstance(self.metrics, tuple) and all(map(callable, self.metrics)),
            f'evaluation.metrics must be a tuple of functions; got {self.metrics!r}.',
        )
        names = [getattr(metric, '__name__', repr(metric)) for metric in self.metrics]
        taken = [name for name in names if name in _TAKEN or names.count(name) > 1]
        require(
            not taken,
            f'evaluation.metrics needs functions of other names: {", ".join(taken)} is taken.',
        )
