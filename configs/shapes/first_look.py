"""A first look with nothing to download: three strategies on generated shapes, about a minute.

python -m experiments.compare_pooling configs/shapes/first_look.py --output runs/first_look
"""

from cnn_jax.runs import Comparison
from cnn_jax.strategies import Blur, Max, MaxBlur

config = Comparison(
    title='A first look: drawn shapes',
    data='shapes',
    strategies={'max': Max(), 'blur3': Blur(filter_size=3), 'max_blur3': MaxBlur(filter_size=3)},
    seeds=(0, 1, 2),
    epochs=3,
    batch_size=50,
)
