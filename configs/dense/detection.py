"""Which pooling should a detector use, on drawn shapes? A small network of heat maps of centres.

python -m experiments.compare_pooling configs/dense/detection.py --output runs/detection

Nothing is downloaded: the images are drawn by code. About 20 minutes on two cores.
"""

from cnn_jax.models.small_dense import CenterNetSmall
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import APS, Avg, Max, MaxBlur, Strategy, Stride
from cnn_jax.training import Optimizer


def narrow_centernet(*, downsample: Strategy, num_classes: int) -> CenterNetSmall:
    """centernet_small with half of its features, so that a cell takes a minute."""
    return CenterNetSmall(downsample, num_classes, width=8)


config = Comparison(
    task='detection',
    model=narrow_centernet,
    data='shapes_detection',
    strategies={
        'max': Max(),
        'avg': Avg(),
        'stride': Stride(),
        'max_blur': MaxBlur(),
        'aps': APS(),
    },
    seeds=(0, 1, 2, 3, 4, 5, 6, 7),
    epochs=6,
    batch_size=32,
    optimizer=Optimizer(
        name='adam', learning_rate=4e-3, schedule='warmup_cosine', warmup_epochs=0.2
    ),
    evaluation=Evaluation(measures=('bounds',), hard_images=100),
)
