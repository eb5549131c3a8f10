"""The JAX side: every strategy of cnn_jax, and the idiomatic Flax version where there is one."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import Array, lax

from cnn_jax.layers import Downsample
from cnn_jax.ops import binomial_filter
from cnn_jax.strategies import Strategy, strategy_named, strategy_names

Shape = tuple[int, int, int, int]


def cases() -> dict[str, Strategy]:
    """Every registered strategy with its defaults, peers' other sizes, and APS without a max."""
    chosen = {name: strategy_named(name) for name in strategy_names() if name != 'stride'}
    renamed = {'blur': 'blur3', 'max_blur': 'max_blur3'}
    chosen = {renamed.get(name, name): strategy for name, strategy in chosen.items()}
    return {
        **chosen,
        'max_3x3': strategy_named('max', window=3),
        'avg_3x3': strategy_named('avg', window=3),
        'blur5': strategy_named('blur', filter_size=5),
        'blur3_circular': strategy_named('blur', padding='circular'),
        'aps1_alone': strategy_named('aps', window=1),
        'aps3_alone': strategy_named('aps', window=1, filter_size=3),
        'max_blur5': strategy_named('max_blur', filter_size=5),
    }


def _flax_max(window: int) -> Callable[[Array], Array]:
    return lambda x: nn.max_pool(x, (window, window), strides=(2, 2))


def _flax_avg(window: int) -> Callable[[Array], Array]:
    return lambda x: nn.avg_pool(x, (window, window), strides=(2, 2))


def _lax_blur(size: int) -> Callable[[Array], Array]:
    """What a Flax user writes: reflect padding and a depthwise convolution."""
    row = np.array(binomial_filter(size), np.float32)

    def blur(x: Array) -> Array:
        channels = x.shape[-1]
        kernel = jnp.broadcast_to(np.outer(row, row)[..., None, None], (size, size, 1, channels))
        pad = ((size - 1) // 2, size // 2)
        return lax.conv_general_dilated(
            jnp.pad(x, ((0, 0), pad, pad, (0, 0)), mode='reflect'),
            kernel,
            (2, 2),
            'VALID',
            dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
            feature_group_count=channels,
        )

    return blur


def _flax_max_blur(size: int) -> Callable[[Array], Array]:
    blur = _lax_blur(size)
    return lambda x: blur(nn.max_pool(x, (2, 2), strides=(1, 1)))


FLAX: Mapping[str, Callable[[Array], Array]] = {
    'max': _flax_max(2),
    'max_3x3': _flax_max(3),
    'avg': _flax_avg(2),
    'avg_3x3': _flax_avg(3),
    'blur3': _lax_blur(3),
    'blur5': _lax_blur(5),
    'max_blur3': _flax_max_blur(3),
    'max_blur5': _flax_max_blur(5),
}


def build(case: str, shape: Shape, *, wait: bool = True) -> dict[str, Callable[[], Any]]:
    """The calls to time, by name: ours and flax, forward and forward with backward, and a copy.

    With `wait` each call waits for its result; without, it returns the result to wait for.
    """
    x = jax.random.normal(jax.random.key(0), shape, jnp.float32)
    layer = Downsample(cases()[case])
    variables = layer.init(jax.random.key(1), x[:1], train=False)
    params = {'params': variables.get('params', {})}
    statistics = {k: v for k, v in variables.items() if k not in ('params', 'losses')}
    rngs = {'downsample': jax.random.key(2)}

    def ours(params, x):
        return layer.apply({**params, **statistics}, x, train=True, rngs=rngs, mutable=True)[0]

    timed: Callable[..., Callable[[], Any]] = _timed if wait else partial
    calls = {'copy': timed(jax.jit(lambda x: x + 1), x)}
    contenders = {'ours': ours}
    if case in FLAX:
        contenders['flax'] = lambda params, x: FLAX[case](x)
    for name, op in contenders.items():
        out = jax.eval_shape(op, params, x)
        g = jax.random.normal(jax.random.key(3), out.shape, jnp.float32)
        calls[f'{name} forward'] = timed(jax.jit(op), params, x)
        calls[f'{name} forward+backward'] = timed(jax.jit(_both(op)), params, x, g)
    return calls


def _both(op: Callable[[Mapping, Array], Array]) -> Callable:
    def forward_and_backward(params, x, g):
        y, pullback = jax.vjp(op, params, x)
        return y, pullback(g)

    return forward_and_backward


def _timed(function: Callable, *arguments) -> Callable[[], None]:
    def call() -> None:
        jax.block_until_ready(function(*arguments))

    return call


def moved_elements(case: str, shape: Shape) -> tuple[int, int]:
    """How many elements any implementation must read and write: forward, forward+backward."""
    layer = Downsample(cases()[case])
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    out = jax.eval_shape(lambda x: layer.init_with_output(jax.random.key(0), x, train=False)[0], x)
    once = int(np.prod(shape)) + int(np.prod(out.shape))
    return once, 2 * once
