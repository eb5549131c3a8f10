"""Dense networks: those that predict at every place, by way of small maps and back up again."""

from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

from jaxtyping import Array, Float

from cnn_jax.errors import BadInput, require
from cnn_jax.layers import Layers, Upsample
from cnn_jax.models.network import Network, Output
from cnn_jax.ops.floats import at_least_float32
from cnn_jax.ops.windows import Padding
from cnn_jax.strategies import Choice, Matching, Site, Upsampling

SITE = Site('max_pool', after_conv=False)  # the map before it is needed whole, beside the way up
Map = Float[Array, 'batch _ _ _']


class Step(NamedTuple):
    """One step down, as the step up again needs it: what was chosen and the factor."""

    choice: Choice | None
    factor: int


class DenseNetwork(Network):
    """A network with a map, or something read off a map, as its output.

    Where the published network max-pools stands the strategy, and on the way up the upsampling that
    goes with it. Sides of images must be multiples of the product of the factors, so that the way
    up meets the way down.

    Attributes:
        upsample: How maps grow again: APS-U beside APS, LPU beside LPS and bilinear interpolation
            beside all others, or any other of `cnn_jax.strategies.upsampling`.
    """

    OUTPUT: ClassVar[Output] = 'mask'
    UNPOOLS: ClassVar[bool] = True  # whether a step up has the channels and size of its step down

    upsample: Upsampling = Matching()

    def check(self) -> None:
        """As `Network.check`; also refuses an upsampling that does not go with the strategy."""
        super().check()
        name = type(self).__name__
        require(
            isinstance(self.upsample, Upsampling),
            f"{name}: upsample must be like upsampling_named('bilinear') or Bilinear(); "
            f'got {self.upsample!r}.',
        )
        chosen = self.upsample.beside(self.downsample)
        require(
            self.UNPOOLS or chosen.NEEDS != 'places',
            f'{name}: the maps on its way up have not the channels of those on its way down, as '
            f"upsample={chosen.name} needs: take upsample='matching' or 'bilinear'.",
        )

    def require_multiples(self, x: Array, steps: int) -> None:
        """Raises BadInput, naming the nearest sizes that fit, where the way up would miss x."""
        factor = self.downsample.at(SITE).sampling
        unit, sizes = factor**steps, x.shape[1:3]
        self.require_sides(sizes, lambda n: n % unit == 0, f'multiples of {unit}')

    def require_sides(self, sizes: Sequence[int], fits: Callable[[int], bool], what: str) -> None:
        """Raises BadInput, naming the nearest sides that fit, unless all of `sizes` do."""
        if all(map(fits, sizes)):
            return
        near = []
        for n in sizes:
            below = next((k for k in range(n, 0, -1) if fits(k)), None)
            above = next((k for k in range(n, n + 4096) if fits(k)), None)
            found = dict.fromkeys(str(k) for k in (below, above) if k is not None)
            near.append(' or '.join(found) or 'none')
        height, width = near
        raise BadInput(
            f'{type(self).__name__} with {self.downsample}: height and width must be {what}, '
            f'so that maps meet on the way up; got {sizes[0]}x{sizes[1]}: the nearest that fit are '
            f'{height} high, {width} wide.'
        )

    def down(self, layers: Layers, x: Map, *, name: str) -> tuple[Map, Step]:
        """The strategy, and what the step back up needs."""
        y, choice = layers.downsample_with_choice(x, SITE, name=name)
        factor = self.downsample.at(SITE).sampling
        size, small = x.shape[1:3], y.shape[1:3]
        require(
            tuple(n * factor for n in small) == size,
            f'{type(self).__name__}: {name} ({self.downsample}) makes {small[0]}x{small[1]} of '
            f'{size[0]}x{size[1]}, which no upsampling by {factor} restores: take a strategy that '
            f"keeps 1 / {factor} of a side, like one with padding='same'.",
        )
        return y, Step(choice, factor)

    def up(self, layers: Layers, x: Map, steps: Sequence[Step], features: int, *, name: str) -> Map:
        """Undoes the steps, the last one first: at once, unless the upsampling needs choices."""
        upsampling = self.upsample.beside(self.downsample)
        if len(steps) > 1 and not upsampling.NEEDS:
            factor = 1
            for step in steps:
                factor *= step.factor
            steps = [Step(None, factor)]
        for number, (choice, factor) in enumerate(reversed(steps), start=1):
            each = name if len(steps) == 1 else f'{name}_{number}'
            x = Upsample(upsampling, features, factor, layers.fill, name=each)(x, choice)
        return x

    def block(
        self, layers: Layers, x: Map, features: int, *, name: str, padding: Padding = 'same'
    ) -> Map:
        """conv 3x3 - norm - activation; with norm 'none' the convolution has a bias."""
        bias = self.norm == 'none'
        x = layers.conv(x, features, 3, padding=padding, use_bias=bias, name=f'conv{name}')
        return layers.activate(layers.normalise(x, name=f'norm{name}'))

    def head(
        self, layers: Layers, x: Map, features: int, *, name: str = 'head', bias_start: float = 0.0
    ) -> Map:
        """The last 1x1 convolution, in float32 at least."""
        x = at_least_float32(x)
        return layers.conv(x, features, 1, use_bias=True, bias_start=bias_start, name=name)
