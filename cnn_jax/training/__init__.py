"""State, optimiser, train step and loop. Pure except the loop."""

from cnn_jax.training.kernels import strategy_paths
from cnn_jax.training.loop import train_epoch
from cnn_jax.training.objectives import OBJECTIVES, Objective, classification, cross_entropy
from cnn_jax.training.optimizer import Optimizer, make_optimizer, make_schedule
from cnn_jax.training.state import EpochSums, TrainState, create_state, zero_sums
from cnn_jax.training.step import make_train_step

__all__ = [
    'OBJECTIVES',
    'EpochSums',
    'Objective',
    'Optimizer',
    'TrainState',
    'classification',
    'create_state',
    'cross_entropy',
    'make_optimizer',
    'make_schedule',
    'make_train_step',
    'strategy_paths',
    'train_epoch',
    'zero_sums',
]
