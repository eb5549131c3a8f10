"""The published quick study: every strategy on Fashion-MNIST and MNIST, one of each family and all
blurs on CIFAR-10, at one learning rate and at rates chosen for each on a validation split; and five
in ResNet-20, which trains for 6 epochs instead of the published 164.

python -m experiments.study configs/studies/quick.py --output runs/quick_study

Days on one core, in cells of half a minute (convnet1_3x3) and of two minutes (convnet3); it runs
seed by seed, so stop it whenever you like. What has finished so far is in
experiments/results/studies/quick.
"""

from dataclasses import replace

from cnn_jax.measures import choices
from cnn_jax.runs import Comparison, Evaluation, Study
from cnn_jax.strategies import (
    APS,
    DDAC,
    FLC,
    LIP,
    LPS,
    Avg,
    AvgBlur,
    Blur,
    EdgeAware,
    LearnedBlur,
    Max,
    MaxBlur,
    Mixed,
    Stride,
    strategy_named,
    strategy_names,
)
from cnn_jax.training import Optimizer
from cnn_jax.training.augment import Augment

_EVALUATION = Evaluation(
    measures=choices('classification'),
    hard_images=500,
    worst_case_images=200,
    maps=0,
    batch_size=250,
)
_MUON = Optimizer(
    name='muon',
    learning_rate=0.015,
    momentum=0.95,
    weight_decay=0.05,
    schedule='warmup_cosine',
    warmup_epochs=0.2,
)
_EVERY = {name: strategy_named(name) for name in strategy_names()}
_FAMILIES = {
    'max': Max(),
    'avg': Avg(),
    'stride': Stride(),
    'max_blur3': MaxBlur(filter_size=3),
    'max_blur5': MaxBlur(filter_size=5),
    'blur3': Blur(filter_size=3),
    'avg_blur': AvgBlur(),
    'learned_blur': LearnedBlur(),
    'ddac': DDAC(),
    'edge_aware': EdgeAware(),
    'lip': LIP(),
    'mixed': Mixed(),
    'aps': APS(),
    'flc': FLC(),
}
_FIVE = {name: _FAMILIES[name] for name in ('max', 'avg', 'stride', 'max_blur3', 'aps')}

_fashion = Comparison(
    model='convnet1_3x3',
    data='fashion_mnist',
    strategies=_EVERY,
    seeds=tuple(range(11)),
    epochs=1,
    optimizer=_MUON,
    evaluation=_EVALUATION,
)
_cifar10 = Comparison(
    model='convnet3',
    data='cifar10',
    strategies=_FAMILIES,
    seeds=tuple(range(11)),
    epochs=3,
    optimizer=replace(_MUON, learning_rate=0.02, warmup_epochs=0.5),
    augment=Augment(flip=True),
    evaluation=_EVALUATION,
)
_resnet20 = replace(
    _cifar10,
    model='resnet20',
    strategies={
        'stride': Stride(),
        'blur3': Blur(filter_size=3),
        'max_blur3': MaxBlur(filter_size=3),
        'aps': APS(),
        'lps': LPS(),
    },
    baseline='stride',
    seeds=tuple(range(3)),
    epochs=6,
    augment=Augment(flip=True, crop=4),
)

config = Study(
    title='Every strategy, small nets, three data sets',
    comparisons={
        'fashion_mnist': _fashion,
        'cifar10': _cifar10,
        'cifar10_crop': replace(_cifar10, strategies=_FIVE, augment=Augment(flip=True, crop=4)),
        'cifar10_resnet20': _resnet20,
        'mnist': replace(_fashion, data='mnist', seeds=tuple(range(5))),
        'fashion_mnist_tuned': _fashion,
        'cifar10_tuned': _cifar10,
    },
    tune={'fashion_mnist_tuned': (0.5, 1.0, 2.0), 'cifar10_tuned': (0.5, 1.0, 2.0)},
)
