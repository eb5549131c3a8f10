"""The one place a downsampling strategy is chosen.

A strategy is a frozen dataclass whose fields are its hyperparameters. Calling it downsamples a
feature map by `stride` where a network has its pooling layer, after the activation; `conv_stride`
is the stride that it asks of the convolution before that layer. To add one: write its op in
`cnn_jax.ops`, its dataclass in `cnn_jax.modules.strategies`, and its name in `_REGISTRY`; see
CONTRIBUTING.md.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from flax import linen as nn
from flax.errors import InvalidRngError
from jaxtyping import Array, Float

from cnn_jax.errors import BadInput, unknown_name
from cnn_jax.modules import strategies
from cnn_jax.modules.strategies import Strategy
from cnn_jax.ops.windows import spatial_rank

_REGISTRY: Mapping[str, type] = {
    'max': strategies.Max,
    'min': strategies.Min,
    'avg': strategies.Avg,
    'sum': strategies.Sum,
    'lp': strategies.Lp,
    'gaussian': strategies.Gaussian,
    'median': strategies.Median,
    'stride': strategies.Stride,
    'subsample': strategies.Subsample,
    'space_to_depth': strategies.SpaceToDepth,
    'adaptive_avg': strategies.AdaptiveAvg,
    'adaptive_max': strategies.AdaptiveMax,
    'blur': strategies.Blur,
    'max_blur': strategies.MaxBlur,
    'avg_blur': strategies.AvgBlur,
    'edge_aware': strategies.EdgeAware,
    'learned_blur': strategies.LearnedBlur,
    'ddac': strategies.DDAC,
    'soft': strategies.Soft,
    'lse': strategies.LSE,
    'gem': strategies.GeM,
    'stochastic': strategies.Stochastic,
    'lip': strategies.LIP,
    'detail_preserving': strategies.DetailPreserving,
    'ada': strategies.Ada,
    'ordinal': strategies.Ordinal,
    'rank': strategies.Rank,
    'rank_average': strategies.RankAverage,
    'mixed': strategies.Mixed,
    'gated': strategies.Gated,
    'tree': strategies.Tree,
    'aps': strategies.APS,
    'lps': strategies.LPS,
    'tips': strategies.TIPS,
    'spectral': strategies.Spectral,
    'flc': strategies.FLC,
    'asap': strategies.ASAP,
    'afc': strategies.AFC,
    'diffstride': strategies.DiffStride,
}


def strategy_names() -> tuple[str, ...]:
    """The registered names.

    >>> 'max_blur' in strategy_names()
    True
    """
    return tuple(_REGISTRY)


def strategy_named(name: str, **hyperparameters: object) -> Strategy:
    """The strategy of that name; raises BadInput with the nearest name or field.

    >>> strategy_named('blur', filter_size=5)
    Blur(filter_size=5, stride=2, padding='reflect')
    """
    if not isinstance(name, str) or name not in _REGISTRY:
        raise unknown_name('strategy', str(name), _REGISTRY)
    strategy = _REGISTRY[name]
    allowed = [f.name for f in fields(strategy)]
    for key in hyperparameters:
        if key not in allowed:
            raise unknown_name(f'field of strategy {name}', key, allowed)
    return strategy(**hyperparameters)


def strategy_to_dict(strategy: Strategy) -> dict:
    """The strategy's name and hyperparameters, as plain JSON values.

    >>> strategy_to_dict(strategies.Max())
    {'name': 'max', 'window': 2, 'stride': 2}
    """
    for name, known in _REGISTRY.items():
        if type(strategy) is known:
            return {'name': name, **vars(strategy)}
    raise BadInput(f'{strategy!r} is not a registered strategy: {", ".join(_REGISTRY)}.')


def strategy_from_dict(values: Mapping) -> Strategy:
    """The inverse of `strategy_to_dict`.

    >>> strategy_from_dict({'name': 'max', 'window': 3, 'stride': 2})
    Max(window=3, stride=2)
    """
    return strategy_named(**values)


class Downsample(nn.Module):
    """A network's pooling layer: calls `strategy`, and names itself in its errors.

    Give the convolution before it `strategy.conv_stride`; only 'stride' sets it above 1. `apply`
    with `train=True` wants `rngs={'downsample': key}` for the strategies that draw (stochastic,
    lps, tips), and `mutable=['batch_stats', 'losses']` for ddac, which updates statistics, and
    tips, whose sown losses are to be added to the loss.

    >>> import jax, jax.numpy as jnp
    >>> layer = Downsample(strategies.GeM())
    >>> x = jnp.ones((2, 8, 8, 3))
    >>> y, variables = layer.init_with_output(jax.random.key(0), x, train=False)
    >>> y.shape
    (2, 4, 4, 3)
    """

    strategy: Strategy

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool
    ) -> Float[Array, 'batch *out out_channels']:
        if not isinstance(self.strategy, Strategy):
            raise BadInput(
                f"strategy must be like strategy_named('max') or Max(); got {self.strategy!r}."
            )
        layer = f'layer {"/".join(self.path) or "Downsample"} ({self.strategy})'
        try:
            spatial_rank(x)
            return self.strategy(x, train=train)
        except ValueError as error:
            raise BadInput(f'{layer}: input {getattr(x, "shape", ())[1:-1]}: {error}') from error
        except InvalidRngError as error:
            raise BadInput(
                f"{layer}: this strategy draws in training: give apply rngs={{'downsample': key}}."
            ) from error


def downsample_layers(strategy: Strategy, names: Sequence[str]) -> list[Downsample]:
    """The pooling layers of a network: one layer each, or one for all where the strategy says so.

    >>> [layer.name for layer in downsample_layers(strategies.Max(), ['pool1', 'pool2'])]
    ['pool1', 'pool2']
    """
    if strategy.one_for_all:
        return [Downsample(strategy, name='pool')] * len(names)
    return [Downsample(strategy, name=name) for name in names]
