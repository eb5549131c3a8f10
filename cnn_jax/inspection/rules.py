"""Which inputs the outputs of this project's and Flax's layers read."""

from collections.abc import Mapping, Sequence
from typing import Any

from flax import linen as nn

from cnn_jax.inspection.fields import POINT, Window
from cnn_jax.layers import Average, BatchNorm, Conv, Downsample, DownsampleBranches, MapLayerNorm
from cnn_jax.ops.windows import padding_pairs, per_axis
from cnn_jax.strategies import MAX_POOL, SHORTCUT, STRIDED_CONV, Strategy

ATOMS = (Downsample, DownsampleBranches)  # layers whose submodules are not shown
NORMS = (
    BatchNorm,
    MapLayerNorm,
    nn.BatchNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm,
    nn.RMSNorm,
)


def layer_strategies(
    module: nn.Module, size: Sequence[int], options: Mapping[str, Any]
) -> tuple[Strategy, ...]:
    """The strategy used for each output of a downsampling layer, on a map of that size."""
    if isinstance(module, Downsample):
        sites = (options.get('site', MAX_POOL),)
    elif isinstance(module, DownsampleBranches):
        sites = (STRIDED_CONV, SHORTCUT)
    else:
        return ()
    strategy = module.strategy
    if module.one_axis:
        size, sites = size[1:], [site.along_one_axis() for site in sites]
    return tuple(strategy.at(site.on(size, strategy.stride)) for site in sites)


def layer_windows(
    module: nn.Module, size: Sequence[int], options: Mapping[str, Any]
) -> tuple[Window | None, ...]:
    """The window that each output reads of its input; None is the whole map.

    Empty for a module that is unknown here; its equations are used instead. As with the choice of a
    polyphase strategy, the statistics of a norm do not count.

    >>> from cnn_jax.strategies import Stride
    >>> layer_windows(Conv(16, 5, stride=2), (28, 28), {})
    (Window(reach=((2, 2), (2, 2)), stride=(2, 2)),)
    >>> layer_windows(Downsample(Stride()), (28, 28), {}) == (POINT,)
    True
    """
    if isinstance(module, Conv):
        window, stride = per_axis('window', module.window, 2), per_axis('stride', module.stride, 2)
        pairs = padding_pairs(module.padding, window)
        reach = tuple((low, k - 1 - low) for k, (low, _) in zip(window, pairs, strict=True))
        return (Window(reach, stride),)
    if isinstance(module, Average):
        return (_average_window(module.size, size),)
    if isinstance(module, (nn.Dense, *NORMS)):
        return (POINT,)
    strategies = layer_strategies(module, size, options)
    one_axis = bool(strategies) and module.one_axis
    return tuple(_strategy_window(strategy, size, one_axis) for strategy in strategies)


def _average_window(out: int | None, size: Sequence[int]) -> Window | None:
    if out is None or any(n % out for n in size):
        return None
    steps = tuple(n // out for n in size)
    return Window(tuple((0, step - 1) for step in steps), steps)


def _strategy_window(strategy: Strategy, size: Sequence[int], one_axis: bool) -> Window | None:
    reach = strategy.reach(size[1:] if one_axis else size)
    if reach is None:
        return None
    steps = (strategy.sampling,) * len(reach)
    return Window(((0, 0), *reach), (1, *steps)) if one_axis else Window(reach, steps)
