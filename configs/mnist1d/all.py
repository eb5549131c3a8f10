"""Every strategy that works on one axis, on MNIST-1D: three seeds each.

python -m experiments.compare_pooling configs/mnist1d/all.py --output runs/mnist1d_all

The recipe of configs/mnist1d/compare.py. The other strategies are defined in two dimensions only.
"""

from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import strategy_named, strategy_names
from cnn_jax.training import Optimizer

_TWO_AXES = (
    *('ddac', 'lip', 'detail_preserving', 'ada', 'ordinal', 'rank', 'rank_average'),
    *('aps', 'lps', 'tips', 'spectral', 'flc', 'asap', 'afc', 'diffstride'),
    *('spd_conv', 'haar', 'adown', 'scdown'),
)

config = Comparison(
    model='convnet3',
    data='mnist1d',
    strategies={name: strategy_named(name) for name in strategy_names() if name not in _TWO_AXES},
    baseline='max',
    seeds=(0, 1, 2),
    epochs=40,
    batch_size=100,
    optimizer=Optimizer(learning_rate=0.005, schedule='warmup_cosine', warmup_epochs=1.0),
    evaluation=Evaluation(border='circular', worst_case_images=0, maps=0),
)
