"""The one place a downsampling strategy is chosen.

A strategy is a frozen dataclass whose fields are its hyperparameters. Calling it downsamples a
feature map by `stride` where a network has its pooling layer, after the activation; `conv_stride`
is the stride that it asks of the convolution before that layer. To add one: write its op in
`cnn_jax.ops`, its dataclass in `cnn_jax.modules.strategies`, and its name in `_REGISTRY`; see
CONTRIBUTING.md.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields

from flax import linen as nn
from flax.errors import InvalidRngError
from jaxtyping import Array, Float

from cnn_jax.errors import BadInput, unknown_name
from cnn_jax.modules import strategies
from cnn_jax.modules.strategies import MAX_POOL, Site, Strategy
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
    {'name': 'max', 'window': None, 'stride': 2, 'padding': None}
    """
    for name, known in _REGISTRY.items():
        if type(strategy) is known:
            return {'name': name, **vars(strategy)}
    raise BadInput(f'{strategy!r} is not a registered strategy: {", ".join(_REGISTRY)}.')


def strategy_from_dict(values: Mapping) -> Strategy:
    """The inverse of `strategy_to_dict`.

    >>> strategy_from_dict({'name': 'max', 'window': 3, 'stride': 2})
    Max(window=3, stride=2, padding=None)
    """
    fields = {name: _tuples(value) for name, value in values.items() if name != 'name'}
    return strategy_named(values['name'], **fields)


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


class Downsample(nn.Module):
    """A network's pooling layer: calls `strategy`, and names itself in its errors.

    Give the convolution before it `strategy.conv_stride`; only 'stride' sets it above 1. `apply`
    with `train=True` wants `rngs={'downsample': key}` for the strategies that draw (stochastic,
    lps, tips), and `mutable=['batch_stats', 'losses']` for ddac, which updates statistics, and
    tips, whose sown losses are to be added to the loss.

    Strategies that work on any number of axes take an image without its batch axis, (height, width,
    channels), for a batch of maps with one axis, and (batch, channels, height, width) for maps of
    channels by height: give `x[None]`, and `jnp.transpose(x, (0, 2, 3, 1))`. Strategies of two axes
    and networks refuse the first, and networks the second once they are initialised.

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
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool, site: Site = MAX_POOL
    ) -> Float[Array, 'batch *out out_channels']:
        with _named_errors(self, x):
            rank = spatial_rank(x)
            strategy = self.strategy.at(site.on(x.shape[1 : 1 + rank], self.strategy.stride))
            return strategy(x, train=train)


class DownsampleBranches(nn.Module):
    """Both branches of a residual block, downsampled alike: APS and LPS choose once for both.

    `main` follows the activation of a convolution that lost its stride to this layer, `shortcut`
    comes before its 1x1 convolution. Their sizes differ where the convolutions keep their strides,
    as with `Max` and `Stride`; then both are handed on.

    >>> import jax, jax.numpy as jnp
    >>> layer = DownsampleBranches(strategies.APS())
    >>> x = jnp.ones((2, 8, 8, 3))
    >>> [y.shape for y in layer.apply({}, x, x[..., :1], train=False)]
    [(2, 4, 4, 3), (2, 4, 4, 1)]
    """

    strategy: Strategy

    @nn.compact
    def __call__(
        self,
        main: Float[Array, 'batch height width channels'],
        shortcut: Float[Array, 'batch shortcut_height shortcut_width shortcut_channels'],
        *,
        train: bool,
    ) -> tuple[
        Float[Array, 'batch out_height out_width out_channels'],
        Float[Array, 'batch shortcut_out_height shortcut_out_width shortcut_out_channels'],
    ]:
        with _named_errors(self, main):
            return self.strategy.branches(main, shortcut, train=train)


@contextmanager
def _named_errors(layer: Downsample | DownsampleBranches, x: Array) -> Iterator[None]:
    """Errors of the strategy, with the name of the layer and the size of its input."""
    if not isinstance(layer.strategy, Strategy):
        raise BadInput(
            f"strategy must be like strategy_named('max') or Max(); got {layer.strategy!r}."
        )
    name = f'layer {"/".join(layer.path) or type(layer).__name__} ({layer.strategy})'
    try:
        yield
    except ValueError as error:
        shape = getattr(x, 'shape', ())
        alone = (
            ': give one image as x[None]' if len(shape) == 3 and '2-D only' in str(error) else ''
        )
        raise BadInput(f'{name}: input {shape[1:-1]}: {error}{alone}') from error
    except InvalidRngError as error:
        raise BadInput(
            f"{name}: this strategy draws in training: give apply rngs={{'downsample': key}}."
        ) from error
