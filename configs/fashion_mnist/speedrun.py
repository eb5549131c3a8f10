"""The speed record: from the start of a process to 92% of Fashion-MNIST on two cores.

python -m experiments.speedrun configs/fashion_mnist/speedrun.py --json runs/speedrun.json

FIXME
"""

from cnn_jax.data.augment import Augment
from cnn_jax.modules import Max
from cnn_jax.runs import Comparison
from cnn_jax.training import Optimizer

config = Comparison(
    title='The speed record for Fashion-MNIST',
    model='quicknet',
    data='fashion_mnist',
    strategies={'max': Max()},
    seeds=tuple(range(10)),
    epochs=4,
    batch_size=128,
    augment=Augment(flip=True),
    optimizer=Optimizer(
        name='adamw',
        learning_rate=0.02,
        weight_decay=0.02,
        schedule='warmup_cosine',
        warmup_epochs=1.0,
    ),
    cores=2,
)
