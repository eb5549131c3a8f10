"""Is it the strategy, or what it costs? Networks widened or narrowed to the cost of max pooling's.

python -m experiments.study configs/studies/equal_cost.py --output runs/equal_cost

The recipe of the quick study on CIFAR-10 (three epochs of convnet3), but each strategy's network is
as wide as gives it the FLOPs, or the parameters, of the one with max pooling. Cells of a minute or
two on one core.
"""

from dataclasses import replace

from cnn_jax.models.convnet3 import ConvNet3
from cnn_jax.runs import Study
from cnn_jax.strategies import Max, MaxBlur, NoDownsampling, SpaceToDepth, Strategy, Stride
from configs.studies.quick import config as quick

# Features of the first stage: those whose cost is nearest to that of 16 with max pooling.
FLOPS = {'max': 16, 'max_blur': 16, 'stride': 34, 'none': 5, 'space_to_depth': 8}
PARAMETERS = {'max': 16, 'space_to_depth': 7}


def equal_flops(*, downsample: Strategy, num_classes: int) -> ConvNet3:
    """convnet3 with as many FLOPs an image as with max pooling, or nearly."""
    return ConvNet3(downsample, num_classes, width=FLOPS[downsample.name])


def equal_parameters(*, downsample: Strategy, num_classes: int) -> ConvNet3:
    """convnet3 with as many parameters as with max pooling, or nearly."""
    return ConvNet3(downsample, num_classes, width=PARAMETERS[downsample.name])


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
