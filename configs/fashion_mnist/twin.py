"""Five ways to downsample convnet1, with Adam: what `experiments.torch_twin` trains.

python -m experiments.compare_pooling configs/fashion_mnist/twin.py --output runs/twin

3 epochs, 15 cells, 9 minutes on two cores. Expect accuracy 0.884 to 0.895, and consistency 0.52
(stride), 0.63 (max, avg), 0.72 (max_blur3), 0.74 (max_blur5); seeds spread by 0.005 and 0.015.
"""

from cnn_jax.runs import Comparison
from cnn_jax.strategies import Avg, Max, MaxBlur, Stride
from cnn_jax.training import Optimizer

config = Comparison(
    model='convnet1',
    data='fashion_mnist',
    strategies={
        'max': Max(),
        'avg': Avg(),
        'stride': Stride(),
        'max_blur3': MaxBlur(filter_size=3),
        'max_blur5': MaxBlur(filter_size=5),
    },
    baseline='max',
    seeds=(0, 1, 2),
    epochs=3,
    batch_size=128,
    optimizer=Optimizer(name='adam', learning_rate=1e-3),
)
