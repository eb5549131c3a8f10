"""How a trained model is judged: the part of a config that chooses its measures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from cnn_jax.errors import require, require_int, unknown_name

Own = Callable[..., Any]  # a function or class of the user's own
TAKEN = (  # names in results and summaries; a metric of the user's own needs another one
    'status',
    'message',
    'step',
    'seconds',
    'parameters',
    'flops_per_example',
    'examples_per_second',
    'accuracy',
    'loss',
    'consistency',
    'consistency_circular',
    'consistency_half_pixel',
    'consistent_and_right',
    'worst_case_accuracy',
    'worst_case_images',
    'ece',
    'corruption_accuracy',
    'corruption_accuracies',
    'rotation_accuracy',
    'scale_accuracy',
    'aliasing',
    'aliasing_by_layer',
    'equivariance_error',
    'equivariance_by_layer',
    'near_chance',
    'missing',
    'failed',
    'diverged',
    'seeds',
    'seed',
    'strategy',
    'metric',
)
CHEAP = ('ece', 'circular', 'worst_case')
ALL_MEASURES = (
    *CHEAP,
    *('half_pixel', 'corruptions', 'rotation', 'scale', 'aliasing', 'equivariance'),
)


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a trained model is judged, always on every test image.

    Attributes:
        max_shift: Pixels each way, for shift consistency, worst case and maps.
        border: The border that the headline consistency uses, 'zero' or 'circular'.
        measures: What is measured beside accuracy, loss, consistency and the share of images that
            are consistent and right: 'ece' (calibration), 'circular' (consistency with a circular
            border), 'worst_case' (right under all shifts), 'half_pixel' (consistency between
            pixels), 'corruptions', 'rotation' and 'scale' (accuracy under them, a mean over five
            severities), 'aliasing' (energy that reaches a pooling layer too fine for its grid,
            before its own blur) and 'equivariance' (how far pooling layers are from it). The first
            three are the default, the last three cost the least of the rest.
        hard_images: How many test images, evenly spread, are corrupted, rotated, scaled and moved
            between pixels; 0: all.
        worst_case_images: How many test images, evenly spread, are tried under all shifts; 0: all.
        maps: How many test images get a map of probability over shifts.
        batch_size: Images in one forward pass.
        metrics: Functions of one's own, `metric(predict, images, labels) -> float`, of which
            `predict` takes uint8 images and gives logits; each is reported under its own name.
    """

    max_shift: int = 3
    border: str = 'zero'
    measures: tuple[str, ...] = CHEAP
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
            isinstance(self.measures, tuple),
            f'evaluation.measures must be a tuple of names; got {self.measures!r}.',
        )
        for measure in self.measures:
            if measure not in ALL_MEASURES:
                raise unknown_name('measure', str(measure), ALL_MEASURES)
        require(
            isinstance(self.metrics, tuple) and all(map(callable, self.metrics)),
            f'evaluation.metrics must be a tuple of functions; got {self.metrics!r}.',
        )
        names = [getattr(metric, '__name__', repr(metric)) for metric in self.metrics]
        taken = [name for name in names if name in TAKEN or names.count(name) > 1]
        require(
            not taken,
            f'evaluation.metrics needs functions of other names: {", ".join(taken)} is taken.',
        )
