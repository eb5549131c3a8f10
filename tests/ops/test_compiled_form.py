"""What the ops compile to, read from the compiled program, without timing."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops

SHAPE = (8, 32, 32, 16)
SLOW = ('select-and-scatter', 'scatter', 'gather', 'sort')

MAX, SUM = 8, 4  # XLA's count per element of a window, forward and backward: see below
# A maximum is compared, masked by earlier winners, selected and added; a weighted sum is a product
# and a sum, and both again in the adjoint.
FIXED: dict[str, tuple[Callable, int]] = {
    'max': (lambda x: ops.max_pool(x, window=2), MAX * 4),
    'max_3x3': (lambda x: ops.max_pool(x, window=3, stride=2, padding='same'), MAX * 9),
    'max_5x5': (lambda x: ops.max_pool(x, window=5, stride=2), MAX * 25),
    'min': (lambda x: ops.min_pool(x, window=2), MAX * 4),
    'avg': (lambda x: ops.avg_pool(x, window=2), SUM * 4),
    'avg_3x3': (lambda x: ops.avg_pool(x, window=3, stride=2, padding='same'), SUM * 9),
    'sum': (lambda x: ops.sum_pool(x, window=2), SUM * 4),
    'gaussian': (lambda x: ops.gaussian_pool(x, window=3, stride=2), SUM * 9),
    'subsample': (lambda x: ops.subsample(x, stride=2), SUM),
    'space_to_depth': (lambda x: ops.space_to_depth(x), SUM * 4),
    **{
        f'blur{k}_{fill}': (
            lambda x, k=k, fill=fill: ops.blur_pool(x, filter_size=k, padding=fill),
            # a circular border is one more tap per axis and side: (k + 1)^2 for a filter of 3
            SUM * (k + (fill == 'circular')) ** 2,
        )
        for k in (2, 3, 4, 5, 6, 7)
        for fill in ('reflect', 'zero', 'replicate', 'circular')
    },
    # four stride-1 maxima feed each output
    'max_blur3': (lambda x: ops.max_blur_pool(x, filter_size=3), MAX * 4 * 4 + SUM * 9),
    'max_blur5': (lambda x: ops.max_blur_pool(x, filter_size=5), MAX * 4 * 4 + SUM * 25),
}


def compiled_both(op):
    """Forward and backward in one program, as a train step holds them."""

    def both(x, g):
        y, pullback = jax.vjp(op, x)
        return y, pullback(g)

    x = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    return jax.jit(both).lower(x, jax.eval_shape(op, x)).compile()


@pytest.mark.parametrize('name', FIXED)
def test_gradients_of_fixed_ops_hold_no_slow_operation(name):
    text = compiled_both(FIXED[name][0]).as_text() or ''
    assert 'ENTRY' in text
    found = set(re.findall(r'= \S+ ([\w-]+)\(', text))
    assert not found & set(SLOW)
    assert not re.search(r'= \([^)]*\) reduce-window\(', text)
    assert 'feature_group_count' not in text and 'batch_group_count' not in text


@pytest.mark.parametrize('name', FIXED)
def test_fixed_ops_compute_little_more_than_their_definition(name):
    op, each = FIXED[name]
    out = jax.eval_shape(op, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    flops = (compiled_both(op).cost_analysis() or {}).get('flops', 0)
    assert flops <= 1.5 * each * np.prod(out.shape)
