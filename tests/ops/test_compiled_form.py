"""What the ops compile to, read from the compiled program: no clock needed."""

import re
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops

SHAPE = (8, 32, 32, 16)
SLOW = ('select-and-scatter', 'scatter', 'gather', 'sort')

# op, and the arithmetic of its definition per output element and channel: one operation a tap for
# a maximum or a sum, two for a weighted sum.
FIXED: dict[str, tuple[Callable, int]] = {
    'max': (lambda x: ops.max_pool(x, window=2), 4),
    'max_3x3': (lambda x: ops.max_pool(x, window=3, stride=2, padding='same'), 9),
    'min': (lambda x: ops.min_pool(x, window=2), 4),
    'avg': (lambda x: ops.avg_pool(x, window=2), 8),
    'avg_3x3': (lambda x: ops.avg_pool(x, window=3, stride=2, padding='same'), 18),
    'sum': (lambda x: ops.sum_pool(x, window=2), 8),
    'gaussian': (lambda x: ops.gaussian_pool(x, window=3, stride=2), 18),
    'subsample': (lambda x: ops.subsample(x, stride=2), 2),
    'space_to_depth': (lambda x: ops.space_to_depth(x), 8),
    **{
        f'blur{k}_{fill}': (
            lambda x, k=k, fill=fill: ops.blur_pool(x, filter_size=k, padding=fill),
            2 * k**2,
        )
        for k in (2, 3, 4, 5, 6, 7)
        for fill in ('reflect', 'zero', 'replicate', 'circular')
    },
    # four stride-1 maxima feed each output
    'max_blur3': (lambda x: ops.max_blur_pool(x, filter_size=3), 4 * 4 + 18),
    'max_blur5': (lambda x: ops.max_blur_pool(x, filter_size=5), 4 * 4 + 50),
}


def compile_gradient(op):
    def gradient(x, g):
        return jax.vjp(op, x)[1](g)

    x = jax.ShapeDtypeStruct(SHAPE, jnp.float32)
    return jax.jit(gradient).lower(x, jax.eval_shape(op, x)).compile()


@pytest.mark.parametrize('name', FIXED)
def test_gradients_of_fixed_ops_hold_no_slow_operation(name):
    text = compile_gradient(FIXED[name][0]).as_text()
    found = set(re.findall(r'= \S+ ([\w-]+)\(', text))
    assert not found & set(SLOW)
    assert not re.search(r'= \([^)]*\) reduce-window\(', text)
    assert 'feature_group_count' not in text and 'batch_group_count' not in text


@pytest.mark.parametrize('name', FIXED)
def test_gradients_of_fixed_ops_compute_little_more_than_their_definition(name):
    op, each = FIXED[name]
    out = jax.eval_shape(op, jax.ShapeDtypeStruct(SHAPE, jnp.float32))
    # forward and backward have the same count; a maximum's backward compares anew
    analytic = 2 * each * np.prod(out.shape)
    assert compile_gradient(op).cost_analysis()['flops'] <= 1.5 * analytic
