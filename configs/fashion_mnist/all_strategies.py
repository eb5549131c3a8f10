"""Every registered strategy in convnet1 on Fashion-MNIST, one epoch, one seed: do they all train?

python -m experiments.compare_pooling configs/fashion_mnist/all_strategies.py --output runs/all

One cell per strategy, about 20 minutes on two cores. One seed decides nothing: this shows that all
train, what each costs and how it performs early on. To compare, choose a few with --strategies, and
more --seeds and --epochs.
"""

from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import strategy_named, strategy_names
from cnn_jax.training import Optimizer

config = Comparison(
    title='Every strategy for one epoch',
    model='convnet1',
    data='fashion_mnist',
    strategies={name: strategy_named(name) for name in strategy_names()},
    baseline='max',
    seeds=(0,),
    epochs=1,
    batch_size=128,
    optimizer=Optimizer(name='adam', learning_rate=1e-3),
    evaluation=Evaluation(worst_case_images=100, maps=1),
)
