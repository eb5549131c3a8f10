"""Any function with a low-pass filter wherever it downsamples, on the weights it has."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from flax import linen as nn

from cnn_jax.errors import BadInput, require, require_int
from cnn_jax.strategies import MaxBlur, PyramidBlur
from cnn_jax.transform.blurs import blurred
from cnn_jax.transform.program import Position, find_sites, run, takes_derivatives, trace
from cnn_jax.transform.site import DIFFERENTIATED, Site


@dataclass(frozen=True)
class Change:
    """What `antialias` does at a site.

    Attributes:
        site: Where.
        blurred: Whether a blur stands there now.
        why: Why not; or, where one does, what else changed.
    """

    site: Site
    blurred: bool
    why: str = ''

    def __str__(self) -> str:
        said = 'blurred' if self.blurred else 'as it was'
        return f'{self.site}: {said}' + (f' ({self.why})' if self.why else '')


@dataclass(frozen=True, eq=False)
class Antialiased:
    """What `antialias` returns: called like the function it was made of.

    The fields are the arguments of `antialias`.
    """

    f: Callable
    strategy: MaxBlur | PyramidBlur
    where: Callable[[Site], bool] | None
    first: bool
    least_channels: int
    averages: bool

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """`f(*args, **kwargs)`, with blurs."""
        program, arrays, result = trace(self.f, args, kwargs)
        changes = self._changes(program)
        instead = {
            place: partial(
                blurred,
                site=change.site,
                filter_size=_filter_size(self.strategy, change.site),
                fill=self.strategy.padding,
            )
            for place, change in changes.items()
            if change.blurred
        }
        return result(run(program, arrays, instead))

    def report(self, *args: Any, **kwargs: Any) -> tuple[Change, ...]:
        """What a call with these arguments changes: one entry for each site, in order.

        Arrays may be given as shapes (`jax.ShapeDtypeStruct`). Raises what the call raises.
        """
        return tuple(self._changes(trace(self.f, args, kwargs)[0]).values())

    def _changes(self, program: Any) -> dict[Position, Change]:
        sites = find_sites(program)
        require(
            len(sites) > 0,
            'f downsamples nowhere that antialias knows: no strided max pool, convolution or '
            'average pool was found. Give it the function that holds them.',
        )
        changes = {place: self._change(site) for place, site in sites.items()}
        derivatives = takes_derivatives(program)
        for change in changes.values():
            # Where JAX moves a site out of a loop, what says that it is differentiated is lost.
            lost = derivatives and change.blurred and not change.site.path
            require(
                DIFFERENTIATED not in change.site.inside and not lost,
                f'f differentiates {change.site}, and its derivative would not be that of the '
                'blur: antialias the model itself, then differentiate that.',
            )
        if not any(change.blurred for change in changes.values()):
            said = '; '.join(map(str, changes.values()))
            raise BadInput(f'antialias changes none of the sites of f: {said}.')
        return changes

    def _change(self, site: Site) -> Change:
        if site.problem:
            return Change(site, False, site.problem)
        if site.kind == 'avg_pool' and not self.averages:
            return Change(site, False, 'averages=False')
        if site.index == 0 and not self.first:
            return Change(site, False, 'first=False')
        if site.channels < self.least_channels:
            return Change(site, False, f'least_channels={self.least_channels}')
        if self.where is not None and not self.where(site):
            return Change(site, False, 'where')
        taps = _filter_size(self.strategy, site)
        if self.strategy.padding == 'circular' and min(_blurred_sizes(site)) < taps:
            return Change(site, False, f'a circular border needs a map of {taps} or more')
        custom = [name for name in site.inside if name.startswith('custom_')]
        why = f'its {custom[0]} is dissolved: JAX finds the derivative' if custom else ''
        return Change(site, True, why)


def antialias(
    f: Callable,
    strategy: MaxBlur | PyramidBlur | None = None,
    *,
    where: Callable[[Site], bool] | None = None,
    first: bool = True,
    least_channels: int = 1,
    averages: bool = False,
) -> Antialiased:
    """`f` with a blur wherever it downsamples: same arguments, same weights, same shapes.

    Zhang 2019, section 3.2, for a model in any library. `f` is traced when it is called, and in its
    program each strided max pool becomes the max pool at stride 1 and `ops.blur_pool` with the
    stride (his MaxBlurPool), and each strided convolution reads its input blurred at stride 1.
    Zhang has the convolution at stride 1, its activation, then the blur; a program does not say
    which activation belongs to a convolution, and this keeps the cost. Only axes that lose
    elements are blurred. All layouts and numbers of axes will do.

    `strategy` gives the filter and the fill of its border; window and stride are those of the
    site. Three taps, reflected, unless told. Of the sites of `find_downsampling`, those are changed
    for which `where(site)` holds, with at least `least_channels` channels; `first=False` leaves out
    the first, as Zhang does in ResNets, and `averages=True` puts a blur before average pools too.
    `antialias(f).report(*args)` says what is changed, what cannot be and why.

    jit, grad and vmap the result as you would `f`; without jit it is traced at every call. A jit
    or a custom derivative inside `f` that holds a site is dissolved.

    Raises `BadInput` for something else than a function, and, when called, where nothing is left to
    change or `f` takes derivatives of a site.

    >>> import jax.numpy as jnp
    >>> def f(x):  # (batch, height, width, channels)
    ...     return nn.max_pool(x, (2, 2), strides=(2, 2))
    >>> x = jnp.tile(jnp.array([0.0, 0, 1, 1]), 2).reshape(1, 1, 8, 1) * jnp.ones((1, 2, 1, 1))
    >>> f(x)[0, 0, :, 0].tolist(), antialias(f)(x)[0, 0, :, 0].tolist()
    ([0.0, 1.0, 0.0, 1.0], [0.5, 1.0, 0.5, 1.0])
    >>> print(*antialias(f).report(x))
    max_pool 2x2 /2 on 2x8, 1 channels: blurred
    """
    _check_function(f)
    strategy = MaxBlur() if strategy is None else strategy
    require(
        isinstance(strategy, MaxBlur | PyramidBlur),
        'strategy must be MaxBlur or PyramidBlur, since others have weights of their own or do not '
        f'keep the window; got {strategy!r}.',
    )
    require(
        strategy.window is None and strategy.window_padding is None and strategy.stride == 2,
        'strategy must not say window, window_padding or stride, which are those of each site; '
        f'got {strategy!r}.',
    )
    require(where is None or callable(where), f'where must be a function of a Site; got {where!r}.')
    for name, value in (('first', first), ('averages', averages)):
        require(isinstance(value, bool), f'{name} must be True or False; got {value!r}.')
    require_int('least_channels', least_channels, 1)
    return Antialiased(f, strategy, where, first, least_channels, averages)


def find_downsampling(f: Callable, *args: Any, **kwargs: Any) -> tuple[Site, ...]:
    """Where `f(*args, **kwargs)` downsamples, in the order of its program.

    Strided max pools, convolutions and average pools, in nested jit, scan, cond and so on too;
    the same function called twice has two sites, the body of a scan one. Slices with a step,
    reshapes and averages of `cnn_jax.ops` are not seen. Arrays may be given as shapes
    (`jax.ShapeDtypeStruct`).

    Raises `BadInput` for something else than a function.

    >>> import jax, jax.numpy as jnp
    >>> model = nn.Conv(16, (3, 3), strides=2)
    >>> images = jnp.zeros((8, 28, 28, 3))
    >>> variables = model.init(jax.random.key(0), images)
    >>> (site,) = find_downsampling(model.apply, variables, images)
    >>> site.kind, site.window, site.stride, site.padding, site.size, site.channels
    ('strided_conv', (3, 3), (2, 2), ((0, 1), (0, 1)), (28, 28), 3)
    """
    _check_function(f)
    return tuple(find_sites(trace(f, args, kwargs)[0]).values())


def _check_function(f: object) -> None:
    require(
        callable(f), f'f must be a function, such as the apply of a model; got {type(f).__name__}.'
    )
    require(
        not isinstance(f, nn.Module) or f.scope is not None,
        'f must be a function of arrays; got a Flax Linen module: give its apply.',
    )


def _blurred_sizes(site: Site) -> tuple[int, ...]:
    """Of the map that the blur reads, along the axes that lose elements."""
    axes = zip(site.size, site.window, site.stride, site.padding, strict=True)
    pooled = site.kind == 'max_pool'
    return tuple(
        size + sum(pair) - window + 1 if pooled else size
        for size, window, stride, pair in axes
        if stride > 1
    )


def _filter_size(strategy: MaxBlur | PyramidBlur, site: Site) -> int:
    if isinstance(strategy, PyramidBlur):
        return strategy.filter_for(site.size)
    return strategy.filter_size
