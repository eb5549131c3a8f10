"""What XLA counts for a model."""

import jax
import jax.numpy as jnp

from cnn_jax.models import Classifier


def xla_flops(classifier: Classifier, image_shape: tuple[int, int, int]) -> float:
    """Floating-point operations of one image's forward pass, as XLA counts them.

    Counted for the portable form of every op, before XLA optimises; a multiply-add is two. It is a
    check on the FLOPs of `cnn_jax.inspection.summarize`, the ones that tables and reports give, and
    differs: products with the zeros of the padding count there and not here, arithmetic between
    layers (activations, branches, the input's normalisation) here and not there.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    >>> xla_flops(classifier, (28, 28, 1))
    4910906.0
    """
    variables = jax.eval_shape(lambda: classifier.init(jax.random.key(0), image_shape))
    images = jax.ShapeDtypeStruct((1, *image_shape), jnp.uint8)
    traced = jax.jit(classifier.logits).trace(variables, images)
    analysis = traced.lower(lowering_platforms=('cuda',)).cost_analysis()  # needs no such device
    if analysis is None:
        raise RuntimeError('this backend does not count the operations of a program')
    return float(analysis['flops'])
