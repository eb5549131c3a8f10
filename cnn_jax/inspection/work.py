"""The arithmetic and memory traffic of a training step with every layer computed directly."""

from dataclasses import dataclass

from flax import linen as nn

from cnn_jax.inspection.summary import summarize


@dataclass(frozen=True)
class Work:
    """Floating-point operations, and bytes to and from memory."""

    flops: int
    bytes: int


def direct_step_work(model: nn.Module, image_shape: tuple[int, int, int], batch_size: int) -> Work:
    """The work of a training step with Adam, each layer computed directly.

    Arithmetic: every multiply-add of a convolution or dense layer, two operations each as in
    `summarize`, in the forward pass, for the gradient of the weights and, except in the first
    layer, for that of its input. It is a reference, not a lower bound: a program may skip the
    products with the zeros of the padding, or use Winograd's algorithm. Bytes: every layer's output
    and its gradient are written once and read once; Adam reads weights, gradient and two moments,
    and writes all but the gradient.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> work = direct_step_work(ConvNet1(Max(), 10), (28, 28, 1), batch_size=128)
    >>> round(work.flops / 1e9, 2), round(work.bytes / 1e6, 1)
    (2.1, 87.5)
    """
    summary = summarize(model, image_shape)
    first = next(layer.multiply_adds for layer in summary.layers if layer.multiply_adds)
    return Work(
        flops=2 * batch_size * (3 * summary.multiply_adds - first),
        bytes=4 * batch_size * summary.memory_bytes + 7 * summary.parameter_bytes,
    )
