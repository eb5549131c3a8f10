"""A half-minute study on generated images: to see what a study is, and for the tests.

python -m experiments.study configs/studies/tiny.py --output runs/tiny_study
"""

from cnn_jax.runs import Comparison, Evaluation, Study
from cnn_jax.strategies import Max, MaxBlur
from cnn_jax.training import Optimizer

_STRATEGIES = {'max': Max(), 'max_blur3': MaxBlur(filter_size=3)}
_EVALUATION = Evaluation(max_shift=1, worst_case_images=4, hard_images=4, maps=0)

config = Study(
    title='Two small nets on drawn shapes',
    comparisons={
        model: Comparison(
            model=model,
            data='shapes_tiny',
            strategies=_STRATEGIES,
            seeds=(0, 1),
            epochs=1,
            batch_size=64,
            optimizer=Optimizer(name='muon', learning_rate=0.02, momentum=0.95),
            evaluation=_EVALUATION,
        )
        for model in ('convnet1_3x3', 'convnet3')
    },
    tune={'convnet3': (0.5, 1.0)},
)
