"""Which pooling should a network use that finds points between pixels? Drawn markers.

python -m experiments.compare_pooling configs/dense/keypoints.py --output runs/keypoints

Nothing is downloaded: the images are drawn by code. Shifts are circular, because zeros that move in
would draw the points towards themselves. About a quarter of an hour on two cores.
"""

from cnn_jax.models.small_dense import KeypointSmall
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import APS, Avg, Max, MaxBlur, Strategy, Stride
from cnn_jax.training import Optimizer


def narrow_network(*, downsample: Strategy, num_classes: int) -> KeypointSmall:
    """keypoint_small with half of its features, so that a cell takes less than a minute."""
    return KeypointSmall(downsample, num_classes, width=8)


config = Comparison(
    task='keypoints',
    model=narrow_network,
    data='shapes_keypoints',
    strategies={
        'max': Max(),
        'avg': Avg(),
        'stride': Stride(),
        'max_blur': MaxBlur(),
        'aps': APS(),
    },
    seeds=(0, 1, 2, 3, 4, 5, 6, 7),
    epochs=3,
    batch_size=32,
    optimizer=Optimizer(
        name='adam', learning_rate=4e-3, schedule='warmup_cosine', warmup_epochs=0.2
    ),
    evaluation=Evaluation(border='circular', measures=('phase',)),
)
