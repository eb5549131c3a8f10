"""The layer that calls a strategy."""

from collections.abc import Iterator
from contextlib import contextmanager

from flax import linen as nn
from flax.errors import InvalidRngError
from jaxtyping import Array, Float

from cnn_jax.errors import BadInput
from cnn_jax.layers.batch_norm import BatchNorm
from cnn_jax.layers.conv import Conv
from cnn_jax.ops.compiled import is_symbolic
from cnn_jax.ops.windows import Padding, spatial_rank
from cnn_jax.strategies import MAX_POOL, SHORTCUT, STRIDED_CONV, Choice, Site, Strategy


class Downsample(nn.Module):
    """A network's pooling layer: calls `strategy`, and gives its own name in errors.

    Give the convolution before it `strategy.conv_stride`; only 'stride' sets it above 1. `apply`
    with `train=True` needs `rngs={'downsample': key}` for the strategies that are random
    (stochastic, fractional_max, s3, lps, tips), and `mutable=['batch_stats', 'losses']` for ddac,
    which updates statistics, and tips, whose sown losses must be added to the loss.

    Strategies for any number of axes take an image without its batch axis, (height, width,
    channels), for a batch of 1-D maps, and (batch, channels, height, width) for maps of channels by
    height: pass `x[None]`, or `jnp.transpose(x, (0, 2, 3, 1))`. 2-D strategies and networks refuse
    the former; networks refuse the latter once they are initialised.

    With `one_axis`, maps (batch, 1, width, channels) reach the strategy as (batch, width,
    channels).

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import GeM
    >>> layer = Downsample(GeM())
    >>> x = jnp.ones((2, 8, 8, 3))
    >>> y, variables = layer.init_with_output(jax.random.key(0), x, train=False)
    >>> y.shape, variables['params']
    ((2, 4, 4, 3), {'p': Array(3., dtype=float32)})
    """

    strategy: Strategy
    one_axis: bool = False

    @nn.compact
    def __call__(
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool, site: Site = MAX_POOL
    ) -> Float[Array, 'batch *out out_channels']:
        with _named_errors(self, x):
            rank = spatial_rank(x)
            size = x.shape[1 : 1 + rank]
            if self.one_axis:
                x, size, site = x[:, 0], size[1:], site.along_one_axis()
            strategy = self.strategy.at(site.on(size, self.strategy.stride))
            y = strategy(x, train=train, layer=self)
            check_output(strategy, x, y)
            return y[:, None] if self.one_axis else y

    def conv_norm(
        self,
        x: Float[Array, 'batch height width channels'],
        features: int,
        window: int,
        *,
        stride: int,
        train: bool,
        padding: Padding = 'valid',
        groups: int = 1,
        number: int | None = None,
    ) -> Float[Array, 'batch out_height out_width {features}']:
        """A convolution without a bias and its batch norm, for strategies that need them.

        Their variables are in 'conv' and 'norm' under this layer; if there are several, `number` is
        appended to the names.
        """
        end = '' if number is None else str(number)
        conv = Conv(
            features,
            window,
            stride=stride,
            padding=padding,
            groups=groups,
            use_bias=False,
            name=f'conv{end}',
        )
        return BatchNorm(use_running_average=not train, name=f'norm{end}')(conv(x))


class DownsampleWithChoice(Downsample):
    """`Downsample` that also returns what the strategy chose, for the upsampling that undoes it.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import Max
    >>> x = jnp.arange(16.0).reshape(1, 4, 4, 1)
    >>> y, choice = DownsampleWithChoice(Max()).apply({}, x, train=False)
    >>> y.ravel().tolist(), choice.array.ravel().tolist()
    ([5.0, 7.0, 13.0, 15.0], [5, 7, 13, 15])
    """

    @nn.compact
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Float[Array, 'batch *spatial channels'], *, train: bool, site: Site = MAX_POOL
    ) -> tuple[Float[Array, 'batch *out out_channels'], Choice | None]:
        with _named_errors(self, x):
            rank = spatial_rank(x)
            strategy = self.strategy.at(site.on(x.shape[1 : 1 + rank], self.strategy.stride))
            y, choice = strategy.down_with_choice(x, train=train, layer=self)
            check_output(strategy, x, y)
            return y, choice


def check_output(strategy: Strategy, x: Array, y: Array) -> None:
    """Raises ValueError unless `y` is a smaller map of the dtype of `x`, as strategies must return.

    Because of borders, up to two windows more or fewer than size / stride are allowed.
    """
    name, shape = type(strategy).__name__, getattr(y, 'shape', None)
    if shape is None or len(shape) != x.ndim or shape[0] != x.shape[0]:
        raise ValueError(
            f'{name} must return a map of {x.ndim} axes and the same batch; got {shape}'
        )
    if y.dtype != x.dtype:
        raise ValueError(f'{name} must return {x.dtype}, as its input is; got {y.dtype}')
    step = strategy.sampling
    reach = strategy.reach(x.shape[1:-1]) or ((0, 0),) * (x.ndim - 2)
    for n, out, (low, high) in zip(x.shape[1:-1], shape[1:-1], reach, strict=True):
        if not is_symbolic(x) and abs(out * step - n) > 2 * step + low + high:
            raise ValueError(
                f'{name} has stride {strategy.stride}, so of {n} elements it must keep about '
                f'{-(-n // step)}; got {out}'
            )


class DownsampleBranches(nn.Module):
    """Both branches of a residual block, downsampled alike: APS and LPS choose once for both.

    `main` follows the activation of a convolution that lost its stride to this layer, `shortcut`
    comes before its 1x1 convolution. Their sizes differ where the convolutions keep their strides,
    as with `Max` and `Stride`; then both are returned unchanged. Parameters of a strategy that does
    not choose for both are in 'main' and 'shortcut'.

    >>> import jax, jax.numpy as jnp
    >>> from cnn_jax.strategies import APS
    >>> layer = DownsampleBranches(APS())
    >>> x = jnp.ones((2, 8, 8, 3))
    >>> [y.shape for y in layer.apply({}, x, x[..., :1], train=False)]
    [(2, 4, 4, 3), (2, 4, 4, 1)]
    """

    strategy: Strategy
    one_axis: bool = False

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
            both = None
            if not self.one_axis:  # those that choose for both are 2-D only
                both = self.strategy.branches(main, shortcut, train=train, layer=self)
        if both is not None:
            return both
        return (
            Downsample(self.strategy, self.one_axis, name='main')(
                main, train=train, site=STRIDED_CONV
            ),
            Downsample(self.strategy, self.one_axis, name='shortcut')(
                shortcut, train=train, site=SHORTCUT
            ),
        )


@contextmanager
def _named_errors(layer: Downsample | DownsampleBranches, x: Array) -> Iterator[None]:
    """Adds the name of the layer and the size of its input to the strategy's errors."""
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
