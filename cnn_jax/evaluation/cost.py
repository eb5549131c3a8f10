"""XLA's FLOPs count of a model, and its speed at inference."""

import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num

from cnn_jax.errors import require
from cnn_jax.evaluation.predict import Predict, predict_logits
from cnn_jax.flops import counted_flops
from cnn_jax.models import Classifier


def xla_flops(classifier: Classifier, image_shape: tuple[int, int, int]) -> float:
    """Floating-point operations of one image's forward pass, as XLA counts them.

    Counted for the portable form of every op, before XLA optimises. It is a check on the FLOPs of
    `cnn_jax.inspection.summarize`, the ones given in tables and reports, and differs from them:
    products with the zeros of the padding count only there, arithmetic between layers (activations,
    branches, the input's normalisation) only here.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    >>> xla_flops(classifier, (28, 28, 1))
    4910906.0
    """
    variables = jax.eval_shape(lambda: classifier.init(jax.random.key(0), image_shape))
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.uint8)
    return counted_flops(classifier.logits, variables, images)


def images_per_second(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    batch_size: int = 256,
    batches: int = 8,
) -> float:
    """Images per second through `predict`: the median over batches, after one to compile.

    Raises BadInput where there are no images, or `batches` is not at least 1.

    >>> images = np.zeros((8, 2, 2, 1), np.uint8)
    >>> images_per_second(lambda x: x.mean((1, 2, 3))[:, None], images, batch_size=4) > 0
    True
    """
    require(len(images) > 0, f'images must hold at least one; got {images.shape}.')
    require(batches >= 1, f'batches must be at least 1; got {batches}.')
    batch = np.resize(images, (batch_size, *images.shape[1:]))
    seconds = []
    for _ in range(1 + batches):
        start = time.perf_counter()
        predict_logits(predict, batch, batch_size=batch_size)
        seconds.append(time.perf_counter() - start)
    return batch_size / statistics.median(seconds[1:])
