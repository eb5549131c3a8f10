"""Which parameters are kernels of the network, and which belong to a downsampling strategy.

Decided by a parameter's path, never by its number of axes: a strategy parameter's number of axes
depends on what shares it.
"""

from collections.abc import Collection
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cnn_jax.layers import Downsample, DownsampleBranches

Path = tuple[str, ...]


def strategy_paths(model: nn.Module, image_shape: tuple[int, int, int]) -> frozenset[Path]:
    """The paths of a model's downsampling layers; all parameters below them are a strategy's.

    Traces shapes only; computes nothing.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import GeM
    >>> sorted(strategy_paths(ConvNet1(GeM(), 10), (28, 28, 1)))
    [('pool1',), ('pool2',)]
    """
    found: set[Path] = set()

    def note(next_fun, args, kwargs, context):
        if isinstance(context.module, Downsample | DownsampleBranches):
            found.add(context.module.path)
        return next_fun(*args, **kwargs)

    def init(images):
        with nn.intercept_methods(note):
            return model.init(jax.random.key(0), images, train=False)

    jax.eval_shape(init, jax.ShapeDtypeStruct((1, *image_shape), jnp.float32))
    return frozenset(found)


def is_strategys(path: Path, strategies: Collection[Path]) -> bool:
    """Whether the parameter at `path` is below one of the paths of `strategy_paths`.

    >>> is_strategys(('pool1', 'p'), {('pool1',)}), is_strategys(('conv1', 'kernel'), {('pool1',)})
    (True, False)
    """
    return any(path[: len(below)] == below for below in strategies)


def kernels(params: Any, *, strategies: Collection[Path], with_strategies: bool = False) -> Any:
    """A tree like `params`: True at the kernels of the network's convolutions and dense layers.

    `with_strategies` adds every parameter of a strategy.
    """

    def decide(keys, _) -> bool:
        path = _names(keys)
        if is_strategys(path, strategies):
            return with_strategies
        return path[-1] == 'kernel'

    return jax.tree_util.tree_map_with_path(decide, params)


def convolutions(params: Any, *, strategies: Collection[Path]) -> Any:
    """A tree like `params`: True at the kernels of the network's convolutions."""
    chosen = kernels(params, strategies=strategies)
    return jax.tree.map(lambda chosen, p: chosen and p.ndim == 4, chosen, params)


def _names(keys: tuple) -> Path:
    return tuple(str(getattr(key, 'key', getattr(key, 'name', key))) for key in keys)
