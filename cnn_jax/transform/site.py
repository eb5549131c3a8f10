"""Where a program downsamples: what an equation of it says."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from typing import Literal as OneOf

import jax.numpy as jnp
import numpy as np
from jax.extend.core import Literal
from jaxtyping import Array

Pairs = tuple[tuple[Any, Any], ...]  # ints, or what depends on a symbolic size
Kind = OneOf['max_pool', 'strided_conv', 'avg_pool']
DIFFERENTIATED = 'jvp'


@dataclass(frozen=True)
class Site:
    """A place where a traced function downsamples.

    Attributes:
        index: Its number among the sites of the function, in the order of the program.
        kind: 'max_pool', 'strided_conv' or 'avg_pool'.
        window: Elements that one output reads along each spatial axis, before dilation.
        stride: Along each spatial axis. It is above 1 on one of them at least.
        padding: (low, high) along each spatial axis.
        shape: Of the array that is downsampled, in the layout of the program: ints or symbolic.
        axes: The spatial axes of that shape, in its order; for a pool, those with a window, a
            stride or padding.
        channel_axis: For a pool, the last axis that is not spatial; None where there is none.
        path: Names of the modules around it, as far as the program knows them, or ''.
        inside: The programs around it: 'jit', 'scan', 'cond', 'remat2', 'custom_vjp_call', ...
        problem: Why no blur can stand here, or ''.
    """

    index: int
    kind: Kind
    window: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Pairs
    shape: tuple[Any, ...]
    axes: tuple[int, ...]
    channel_axis: int | None
    path: str = ''
    inside: tuple[str, ...] = ()
    problem: str = ''

    @property
    def size(self) -> tuple[Any, ...]:
        """Of the map that is downsampled, along the spatial axes."""
        return tuple(self.shape[axis] for axis in self.axes)

    @property
    def channels(self) -> int:
        """Of the map that is downsampled."""
        return 1 if self.channel_axis is None else self.shape[self.channel_axis]

    @property
    def strided_axes(self) -> tuple[int, ...]:
        """The axes that lose elements."""
        return tuple(a for a, s in zip(self.axes, self.stride, strict=True) if s > 1)

    def __str__(self) -> str:
        """Such as 'max_pool 3x3 /2 on 28x28, 16 channels, at Net/Block_0'."""
        stride = _by(self.stride) if len(set(self.stride)) > 1 else str(self.stride[0])
        named = f', at {self.path}' if self.path else ''
        return (
            f'{self.kind} {_by(self.window)} /{stride} on {_by(self.size)}, '
            f'{self.channels} channels{named}'
        )


def _by(sizes: Sequence) -> str:
    return 'x'.join(map(str, sizes))


def read_site(eqn: Any) -> Site | None:
    """What the equation downsamples, if it does: a Site without its index, path and surroundings.

    Strided `conv_general_dilated`, and strided `reduce_window` with a maximum or a sum. This
    package's own are known too: a `max_pool`, which is a maximum of strided slices with a
    derivative of its own, and a `conv` that has one form for each platform.
    """
    name = eqn.primitive.name
    if name == 'conv_general_dilated':
        return _conv_site(eqn)
    if name == 'custom_jvp_call':
        return _sliced_max(eqn)
    if name == 'cond' and (found := _platform_conv(eqn)):
        return found[1]
    reducers = {'reduce_window_max': 'max', 'reduce_window_sum': 'add'}
    reducer = _reducer(eqn) if name == 'reduce_window' else reducers.get(name)
    if reducer not in ('max', 'add'):
        return None
    params = eqn.params
    sizes, strides, pairs = (
        params[key] for key in ('window_dimensions', 'window_strides', 'padding')
    )
    problem = ''
    if reducer == 'max' and set(params['window_dilation']) != {1}:
        problem = 'its window is dilated'
    if set(params['base_dilation']) != {1}:
        problem = 'it dilates the map'
    kind = 'max_pool' if reducer == 'max' else 'avg_pool'
    return _pool_site(eqn, kind, sizes, strides, pairs, problem)


def operand(eqn: Any) -> int:
    """Which input of a site's equation is the map."""
    found = _platform_conv(eqn) if eqn.primitive.name == 'cond' else None
    return found[0] if found else 0


def opened(program: Any) -> tuple[Any, Sequence[Any]]:
    """The equations of a program, and its constants: older JAX keeps the two apart."""
    return getattr(program, 'jaxpr', program), getattr(program, 'consts', ())


def _conv_site(eqn: Any) -> Site | None:
    params, shape = eqn.params, eqn.invars[0].aval.shape
    numbers, strides = params['dimension_numbers'], tuple(params['window_strides'])
    if all(s == 1 for s in strides):
        return None
    problem = ''
    if set(params['lhs_dilation']) != {1}:
        problem = 'it dilates the map'
    elif params['batch_group_count'] != 1:
        problem = 'it groups the batch'
    axes, window_axes = numbers.lhs_spec[2:], numbers.rhs_spec[2:]
    order = np.argsort(axes).tolist()  # of the array, where the program has another
    site = Site(
        index=0,
        kind='strided_conv',
        window=tuple(eqn.invars[1].aval.shape[window_axes[i]] for i in order),
        stride=tuple(strides[i] for i in order),
        padding=_pairs([params['padding'][i] for i in order]),
        shape=tuple(shape),
        axes=tuple(axes[i] for i in order),
        channel_axis=numbers.lhs_spec[1],
        problem=problem,
    )
    return _checked(site, eqn, numbers.out_spec[2:])


def _pool_site(
    eqn: Any,
    kind: OneOf['max_pool', 'avg_pool'],
    sizes: Sequence[int],
    strides: Sequence[int],
    pairs: Sequence[Sequence],
    problem: str = '',
) -> Site | None:
    """The site of a pool, whose window has an entry for every axis of the array."""
    if all(s == 1 for s in strides):
        return None
    shape = tuple(eqn.invars[0].aval.shape)
    spatial = [
        sizes[a] > 1 or strides[a] > 1 or tuple(pairs[a]) != (0, 0) for a in range(len(shape))
    ]
    axes = tuple(a for a in range(len(shape)) if spatial[a])
    others = [a for a in range(len(shape)) if not spatial[a]]
    site = Site(
        index=0,
        kind=kind,
        window=tuple(int(sizes[a]) for a in axes),
        stride=tuple(int(strides[a]) for a in axes),
        padding=_pairs([pairs[a] for a in axes]),
        shape=shape,
        axes=axes,
        channel_axis=others[-1] if others else None,
        problem=problem,
    )
    return _checked(site, eqn, axes)


def _pairs(padding: Sequence[Sequence]) -> Pairs:
    """NumPy's integers as Python's. What depends on a symbolic size stays as it is."""
    plain = [[int(n) if isinstance(n, np.integer) else n for n in pair] for pair in padding]
    return tuple((low, high) for low, high in plain)


def _checked(site: Site, eqn: Any, out_axes: Sequence[int]) -> Site:
    """The site, with what keeps a blur away from it as its problem. Its batch may be empty."""
    problem, dtype = site.problem, eqn.invars[0].aval.dtype
    out = [eqn.outvars[0].aval.shape[axis] for axis in out_axes]
    known = [n for n in (*site.size, site.channels, *out) if type(n) is int]
    ends = zip(site.padding, site.window, strict=True)
    if not jnp.issubdtype(dtype, jnp.floating):
        problem = f'it holds {dtype}, and a blur needs floats'
    elif not all(isinstance(n, int) for n in site.size):
        problem = f'its size is symbolic: {_by(site.size)}'
    elif 0 in known:
        problem = 'it has no elements'
    elif site.kind == 'max_pool' and any(n < 0 for pair in site.padding for n in pair):
        problem = 'its padding is negative'
    elif site.kind == 'max_pool' and any(n >= k for pair, k in ends for n in pair):
        problem = 'at stride 1, some of its windows would hold padding only'
    return replace(site, problem=problem)


def _reducer(eqn: Any) -> str | None:
    """The name of the operation of a `reduce_window` over one array, if it is a single one.

    It must be of the two elements: a maximum of one and a constant reduces nothing.
    """
    body, _ = opened(eqn.params['jaxpr'])
    if len(body.eqns) != 1 or len(eqn.invars) != 2:
        return None
    (inner,) = body.eqns
    both = not any(isinstance(v, Literal) for v in inner.invars) and (
        set(inner.invars) == set(body.invars)
    )
    return inner.primitive.name if both and inner.outvars == body.outvars else None


def _sliced_max(eqn: Any) -> Site | None:
    """A max pool as `cnn_jax.ops.max_pool` writes it: the maximum of strided slices of one array.

    The slices start at each place of the window, in any order, and each is used once.
    """
    body, _ = opened(eqn.params['call_jaxpr'])
    slices = [inner for inner in body.eqns if inner.primitive.name == 'slice']
    larger = [inner for inner in body.eqns if inner.primitive.name == 'max']
    if not slices or len(body.invars) != 1 or len(slices) + len(larger) != len(body.eqns):
        return None
    reads = [v for inner in body.eqns for v in inner.invars]
    if any(isinstance(v, Literal) for v in (*reads, *body.outvars)):
        return None
    used = Counter(v for inner in larger for v in inner.invars)
    results = Counter(inner.outvars[0] for inner in body.eqns)
    of_input = {inner.invars[0] for inner in slices} == set(body.invars)
    if not of_input or results - used != Counter(body.outvars) or used - results:
        return None
    starts = sorted(tuple(inner.params['start_indices']) for inner in slices)
    strides = {tuple(inner.params['strides'] or ()) for inner in slices}
    window = tuple(1 + max(axis) for axis in zip(*starts, strict=True))
    if len(strides) != 1 or not (stride := strides.pop()) or starts != list(np.ndindex(window)):
        return None
    shape, out = body.invars[0].aval.shape, body.outvars[0].aval.shape
    places = zip(shape, window, stride, out, strict=True)
    if any(n != o and (n - k) // s + 1 != o for n, k, s, o in places):
        return None
    return _pool_site(eqn, 'max_pool', window, stride, ((0, 0),) * len(window))


def _platform_conv(eqn: Any) -> tuple[int, Site] | None:
    """The convolution that every branch of a choice by platform computes, and which input it has.

    `jax.lax.platform_dependent` promises that all branches compute the same; the one for all other
    platforms is that convolution alone.
    """
    platforms = eqn.params.get('branches_platforms') or ()
    if None not in platforms:
        return None
    body, _ = opened(eqn.params['branches'][platforms.index(None)])
    if [inner.primitive.name for inner in body.eqns] != ['conv_general_dilated']:
        return None
    (conv,) = body.eqns
    if conv.invars[0] not in body.invars or conv.outvars != body.outvars:
        return None
    site = _conv_site(conv)
    return (1 + body.invars.index(conv.invars[0]), site) if site else None


def channels_last(x: Array, axes: Sequence[int], channel_axis: int | None, op: Any) -> Array:
    """`op` on the array as (batch, *axes, channels), and its result in the layout of `x`.

    >>> x = jnp.zeros((8, 3, 28, 28))
    >>> channels_last(x, (2, 3), 1, lambda y: y[:, ::2, ::2]).shape
    (8, 3, 14, 14)
    """
    last = () if channel_axis is None else (channel_axis,)
    batch = [a for a in range(x.ndim) if a not in (*axes, *last)]
    order = (*batch, *axes, *last)
    y = x.transpose(order)
    lead = y.shape[: len(batch)]
    shape = y.shape[len(batch) :] if last else (*y.shape[len(batch) :], 1)
    y = op(y if len(batch) == 1 and last else y.reshape(math.prod(lead), *shape))
    rest = y.shape[1:] if last else y.shape[1:-1]
    y = y if len(batch) == 1 and last else y.reshape(*lead, *rest)
    return y.transpose(np.argsort(order).tolist())
