"""Six ways to downsample sequences: MNIST-1D, eight seeds each.

python -m experiments.compare_pooling configs/mnist1d/compare.py --output runs/mnist1d

convnet3 with windows of three along the one axis, 40 epochs of Adam. Shifts are circular, as the
generator's own translation is, and along the sequence: it has no other axis. Sequences come from
the generator of the package mnist1d, which is fetched once with pip.
"""

from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import Avg, Blur, Max, MaxBlur, Stride
from cnn_jax.training import Optimizer

config = Comparison(
    model='convnet3',
    data='mnist1d',
    strategies={
        'max': Max(),
        'avg': Avg(),
        'stride': Stride(),
        'blur3': Blur(filter_size=3),
        'max_blur3': MaxBlur(filter_size=3),
        'max_blur5': MaxBlur(filter_size=5),
    },
    baseline='max',
    seeds=(0, 1, 2, 3, 4, 5, 6, 7),
    epochs=40,
    batch_size=100,
    optimizer=Optimizer(learning_rate=0.005, schedule='warmup_cosine', warmup_epochs=1.0),
    evaluation=Evaluation(border='circular', worst_case_images=0, maps=0),
)
