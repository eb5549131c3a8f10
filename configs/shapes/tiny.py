"""Seconds, not minutes: two strategies on 256 generated shapes. The end-to-end tests run it.

python -m experiments.compare_pooling configs/shapes/tiny.py --output runs/tiny
"""

from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.training.augment import Augment

config = Comparison(
    title='Tiny shapes',
    data='shapes_tiny',
    strategies={'max': Max(), 'max_blur3': MaxBlur(filter_size=3)},
    seeds=(0, 1),
    epochs=3,
    batch_size=16,
    augment=Augment(crop=2, flip=True),
    evaluation=Evaluation(max_shift=1, worst_case_images=20, maps=2, batch_size=64),
)
