"""Which pooling should a segmentation network use, on drawn shapes? A narrow U-Net.

python -m experiments.compare_pooling configs/dense/segmentation.py --output runs/segmentation

Nothing is downloaded: the images are drawn by code. About 20 minutes on two cores.
"""

from cnn_jax.models.unet import UNetSmall
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import APS, Avg, Max, MaxBlur, Strategy, Stride
from cnn_jax.training import Optimizer


def narrow_unet(*, downsample: Strategy, num_classes: int) -> UNetSmall:
    """unet_small with half of its features, so that a cell takes a minute."""
    return UNetSmall(downsample, num_classes, width=8)


config = Comparison(
    task='segmentation',
    model=narrow_unet,
    data='shapes_segmentation',
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
    evaluation=Evaluation(measures=('circular', 'foreground', 'boundary')),
)
