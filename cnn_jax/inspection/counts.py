"""How much a layer computes, by formula or counted by XLA."""

import functools
import math
from typing import Any

import jax
from flax import linen as nn

from cnn_jax.flops import counted_flops
from cnn_jax.inspection.calls import Call
from cnn_jax.inspection.rules import ATOMS, NORMS
from cnn_jax.layers import Conv, ConvTranspose

# Each output position takes every weight of the kernel once, or each input position.
_PRODUCTS = (Conv, ConvTranspose, nn.Conv, nn.Dense)


def multiply_adds(call: Call) -> int:
    """Multiply-adds of a convolution or a dense layer for one image; 0 for every other layer.

    A convolution has out_height * out_width * features * window^2 * channels / groups, padding
    included; a transposed one the same with the height and width of its input.
    """
    if not isinstance(call.module, _PRODUCTS):
        return 0
    transposed = isinstance(call.module, ConvTranspose)
    positions = call.inputs[0] if transposed else call.outputs[0].value
    return math.prod(positions.shape[1:-1]) * math.prod(call.kernel)


def output_flops(call: Call) -> tuple[int, ...]:
    """Floating-point operations for one image, for each output of the layer; a multiply-add is two.

    For a convolution or a dense layer, twice its multiply-adds and an addition for each bias;
    otherwise what XLA counts for the layer alone, before it optimises. Work shared by both branches
    of a downsampling layer is counted for the first. XLA's own count of a convolution leaves out
    the products with the zeros of its padding, so its total for a registered network is up to 13%
    lower.
    """
    if isinstance(call.module, _PRODUCTS):
        bias = math.prod(call.outputs[0].value.shape[1:]) if call.module.use_bias else 0
        return (2 * multiply_adds(call) + bias,)
    if not call.is_leaf:
        return (0,) * len(call.outputs)
    # Most layers of a network repeat. Layers written by users may hold unhashable values.
    count = _xla_flops if isinstance(call.module, (*NORMS, *ATOMS)) else _xla_flops.__wrapped__
    what = call.module, call.inputs, tuple(call.options.items())
    total = count(*what)
    if len(call.outputs) == 1:
        return (total,)
    first = count(*what, first_output=True)
    return (first, total - first, *(0 for _ in call.outputs[2:]))


@functools.lru_cache(maxsize=1024)
def _xla_flops(
    module: nn.Module,
    inputs: tuple[jax.ShapeDtypeStruct, ...],
    options: tuple[tuple[str, Any], ...],
    first_output: bool = False,
) -> int:
    """What XLA counts for a layer, or only for the part that its first output needs."""
    keywords = dict(options)

    def apply(variables, *inputs):
        outputs = module.apply(variables, *inputs, **keywords)
        return outputs[0] if first_output else outputs

    def init(*inputs):
        return module.init(jax.random.key(0), *inputs, **keywords)

    variables = jax.eval_shape(init, *inputs)
    return round(counted_flops(apply, variables, *inputs))
