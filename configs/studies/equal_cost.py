"""Is it the strategy, or what it costs? Networks widened or narrowed to the cost of max pooling's.

python -m experiments.study configs/studies/equal_cost.py --output runs/equal_cost

The recipe of the quick study on CIFAR-10 (three epochs of convnet3), but each strategy's network is
as wide as gives it the FLOPs, or the parameters, of the one with max pooling. Cells of a minute or
two on one core.
"""

from bisect import bisect_left
from dataclasses import replace
from functools import cache

from cnn_jax.inspection import summarize
from cnn_jax.models.convnet3 import ConvNet3
from cnn_jax.runs import Study
from cnn_jax.strategies import (
    Max,
    MaxBlur,
    NoDownsampling,
    SpaceToDepth,
    Strategy,
    Stride,
)
from configs.studies.quick import config as quick

_IMAGES = (32, 32, 3)
_WIDTHS = range(1, 65)


@cache
def _as_costly(downsample: Strategy, num_classes: int, cost: str) -> ConvNet3:
    """The network whose cost is nearest to that of 16 features with max pooling."""

    def cost_of(model: ConvNet3) -> int:
        return getattr(summarize(model, _IMAGES), cost)

    def distance(width: int) -> int:
        return cost_of(ConvNet3(downsample, num_classes, width=width)) - wanted

    wanted = cost_of(ConvNet3(Max(), num_classes))
    above = _WIDTHS[min(bisect_left(_WIDTHS, 0, key=distance), len(_WIDTHS) - 1)]
    width = min((max(1, above - 1), above), key=lambda width: abs(distance(width)))
    return ConvNet3(downsample, num_classes, width=width)


def equal_flops(*, downsample: Strategy, num_classes: int) -> ConvNet3:
    """convnet3 with as many FLOPs an image as with max pooling, or nearly."""
    return _as_costly(downsample, num_classes, 'flops')


def equal_parameters(*, downsample: Strategy, num_classes: int) -> ConvNet3:
    """convnet3 with as many parameters as with max pooling, or nearly."""
    return _as_costly(downsample, num_classes, 'parameters')


_cifar10 = replace(quick.comparisons['cifar10'], seeds=tuple(range(5)))
_FEW = {
    'max': Max(),
    'max_blur3': MaxBlur(filter_size=3),
    'stride': Stride(),
    'none': NoDownsampling(),
    'space_to_depth': SpaceToDepth(),
}

config = Study(
    title='The quick study at equal cost',
    comparisons={
        'equal_flops': replace(_cifar10, strategies=_FEW, model=equal_flops),
        'equal_parameters': replace(
            _cifar10,
            strategies={name: _FEW[name] for name in ('max', 'space_to_depth')},
            model=equal_parameters,
        ),
    },
)
