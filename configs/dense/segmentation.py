"""Which pooling should a segmentation network use, on drawn shapes? A small U-Net.

python -m experiments.compare_pooling configs/dense/segmentation.py --output runs/segmentation

Nothing is downloaded: the images are drawn by code, and halved to 32x32 pixels. About half an hour
on two cores.
"""

from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import APS, Avg, Max, MaxBlur, Stride
from cnn_jax.training import Optimizer

config = Comparison(
    task='segmentation',
    model='unet_small',
    data='shapes_segmentation',
    image_size=(32, 32),
    strategies={
        'max': Max(),
        'avg': Avg(),
        'stride': Stride(),
        'max_blur': MaxBlur(),
        'aps': APS(),
    },
    seeds=(0, 1, 2, 3, 4, 5, 6, 7),
    epochs=2,
    batch_size=16,
    optimizer=Optimizer(
        name='muon',
        learning_rate=0.02,
        momentum=0.95,
        schedule='warmup_cosine',
        warmup_epochs=0.2,
    ),
    evaluation=Evaluation(measures=('circular', 'foreground', 'boundary')),
)
