"""convnet1 by its published recipe: cross-entropy and Adam at a constant learning rate of 0.001.

python -m experiments.compare_pooling configs/fashion_mnist/convnet1.py --output runs/convnet1

The source gives neither a batch size nor a number of epochs. We use 256 and 10: on a validation
split of a tenth, accuracy was flat from the sixth epoch on. 6 cells, 16 minutes on two cores that
also did other work. Expect accuracy 0.9011 (0.0047, the 95% interval over six seeds) and
consistency 0.615 (0.008).
"""

from cnn_jax.runs import Comparison
from cnn_jax.strategies import Max
from cnn_jax.training import Optimizer

config = Comparison(
    title='convnet1 on Fashion-MNIST, the published recipe',
    model='convnet1',
    data='fashion_mnist',
    strategies={'max': Max()},
    seeds=(0, 1, 2, 3, 4, 5),
    epochs=10,
    batch_size=256,
    optimizer=Optimizer(name='adam', learning_rate=1e-3),
)
