"""Five ways to downsample convnet1 on Fashion-MNIST, three seeds each.

make compare
"""

from cnn_jax.modules import Avg, Max, MaxBlur, Stride
from cnn_jax.runs import Comparison
from cnn_jax.training import Optimizer

config = Comparison(
    title='Which pooling for convnet1 on Fashion-MNIST?',
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
