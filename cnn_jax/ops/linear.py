"""Linear maps with a hand-written transpose, under every transformation of JAX.

XLA:CPU runs the transposes that JAX derives for strided slices, pads and maxima many times slower
than the ones written in this folder. `jax.custom_vjp` could use those too, but it forbids forward
mode: `jvp`, `jacfwd`, `linearize` and `hessian`. A linear map needs no extra rule for those: its
tangent is the map applied to the tangent. So the primitive here holds a map and its transpose, and
JAX does the rest. `jax.custom_derivatives.linear_call` is the same idea without `vmap` and without
derivatives with respect to what the map depends on.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array

Arrays = Sequence[Array]
Tangents = Sequence[Array | None]  # None: the array has no tangent
Map = Callable[[Arrays, Arrays], Arrays]  # residuals, linear arguments -> results


def linear_map(forward: Map, transpose: Map, residuals: Arrays, arguments: Arrays) -> list[Array]:
    """`forward(residuals, arguments)`, linear in `arguments`, with the given transpose.

    `transpose(residuals, cotangents)` returns one cotangent for each argument. Both are plain
    functions of arrays; JAX derives derivatives with respect to floating `residuals` from their
    code (`lax.stop_gradient` on those that have none saves that work).

    >>> def double(_, arguments):
    ...     return [2 * arguments[0]]
    >>> x, dx = jnp.arange(3.0), jnp.ones(3)
    >>> y, dy = jax.jvp(lambda x: linear_map(double, double, (), (x,))[0], (x,), (dx,))
    >>> y.tolist(), dy.tolist()
    ([0.0, 2.0, 4.0], [2.0, 2.0, 2.0])
    """
    return _linear_p.bind(
        *equally_varying([*residuals, *arguments]),
        forward=forward,
        transpose=transpose,
        residuals=len(residuals),
    )


def with_tangent(primal: Callable, keep: Callable, tangent: Map, transpose: Map) -> Callable:
    """A function of arrays whose derivative is the linear map `tangent`, transposed as given.

    `primal(*arrays)` returns its results and `keep(arrays, results)` the residuals that `tangent`
    needs; a tangent is None where an array has none. For higher derivatives JAX differentiates
    the code of `keep`, `tangent` and `transpose` with respect to the residuals: a `where` or a
    maximum in them must have the right derivative there.

    >>> square = with_tangent(
    ...     lambda x: [x * x],
    ...     keep=lambda arrays, results: arrays,
    ...     tangent=lambda residuals, dx: [2 * residuals[0] * dx[0]],
    ...     transpose=lambda residuals, g: [2 * residuals[0] * g[0]],
    ... )
    >>> x = jnp.float32(3)
    >>> [float(derivative(lambda x: square(x)[0])(x)) for derivative in (jax.grad, jax.hessian)]
    [6.0, 2.0]
    """
    function = jax.custom_jvp(primal)

    def rule(arrays, tangents):
        # Not `primal`: an outer derivative of the results must use this rule too.
        results = function(*arrays)
        return results, moved_linear_map(tangent, transpose, keep(arrays, results), tangents)

    function.defjvp(rule, symbolic_zeros=True)
    return lambda *arrays: function(*equally_varying(arrays))


def bilinear(product: Callable, transpose: Callable) -> Callable:
    """`product(x, y)`, linear in each of two arrays, with the given transpose.

    `transpose(x, y, g)` returns the cotangents of `x` and of `y`.

    >>> dot = bilinear(jnp.vdot, lambda x, y, g: [g * y, g * x])
    >>> float(jax.grad(dot)(jnp.float32(2), jnp.float32(3)))
    3.0
    """

    def tangent(residuals: Arrays, tangents: Tangents) -> Arrays:
        (x, y), (dx, dy) = residuals, tangents
        terms = [] if dx is None else [product(dx, y)]
        terms += [] if dy is None else [product(x, dy)]
        return [sum(terms[1:], terms[0])]

    function = with_tangent(
        lambda x, y: [product(x, y)],
        lambda arrays, results: arrays,
        tangent,
        lambda residuals, cotangents: transpose(*residuals, *cotangents),
    )
    return lambda x, y: function(x, y)[0]


def moved_linear_map(
    tangent: Map, transpose: Map, residuals: Arrays, tangents: Sequence
) -> list[Array]:
    """`linear_map` of the tangents that are not symbolic zeros; `tangent` gets None for others."""
    moved = tuple(i for i, t in enumerate(tangents) if not isinstance(t, SymbolicZero))
    given = [jnp.asarray(tangents[i]) for i in moved]
    some = _Some(tangent, moved, len(tangents)), _OfSome(transpose, moved)
    return linear_map(*some, residuals, given)


@dataclass(frozen=True)
class _Some:
    """A map of `number` arguments, called with only those that have tangents."""

    forward: Callable
    moved: tuple[int, ...]
    number: int

    def __call__(self, residuals: Arrays, arguments: Arrays) -> Arrays:
        given = dict(zip(self.moved, arguments, strict=True))
        return self.forward(residuals, [given.get(i) for i in range(self.number)])


@dataclass(frozen=True)
class _OfSome:
    """The cotangents of only those arguments that have tangents."""

    transpose: Map
    moved: tuple[int, ...]

    def __call__(self, residuals: Arrays, cotangents: Arrays) -> Arrays:
        every = self.transpose(residuals, cotangents)
        return [every[i] for i in self.moved]


def equally_varying(arrays: Sequence[Array]) -> list[Array]:
    """Inside `shard_map`: makes all vary over the same axes, so that cotangents are summed there.

    >>> [a.tolist() for a in equally_varying([jnp.ones(1), jnp.zeros(1)])]
    [[1.0], [0.0]]
    """
    arrays = [jnp.asarray(array) for array in arrays]
    over = [jax.typeof(a).manual_axis_type.varying for a in arrays]
    every = frozenset().union(*over)
    return [
        lax.pcast(a, tuple(sorted(every - own)), to='varying') if own != every else a
        for a, own in zip(arrays, over, strict=True)
    ]


_linear_p = Primitive('linear_map')
_linear_p.multiple_results = True


@_linear_p.def_impl
def _apply(*arrays, forward, transpose, residuals):
    given = [jnp.asarray(array) for array in arrays]  # a transposed program may pass NumPy arrays
    return list(forward(given[:residuals], given[residuals:]))


@_linear_p.def_abstract_eval
def _types(*types, **parameters):
    return jax.make_jaxpr(functools.partial(_apply, **parameters))(*types).out_avals


def _jvp(primals, tangents, *, forward, transpose, residuals):
    apply = functools.partial(
        _linear_p.bind, forward=forward, transpose=transpose, residuals=residuals
    )
    results = apply(*primals)
    fixed, arguments = primals[:residuals], primals[residuals:]
    of_fixed, of_arguments = tangents[:residuals], tangents[residuals:]
    terms = []
    if any(type(t) is not ad.Zero for t in of_arguments):
        terms.append(apply(*fixed, *(ad.instantiate_zeros(t) for t in of_arguments)))
    moving = [i for i, t in enumerate(of_fixed) if type(t) is not ad.Zero]
    if moving:

        def of_moving(*values):
            new = dict(zip(moving, values, strict=True))
            return list(forward([new.get(i, r) for i, r in enumerate(fixed)], arguments))

        _, term = jax.jvp(of_moving, [fixed[i] for i in moving], [of_fixed[i] for i in moving])
        terms.append(term)
    return results, [functools.reduce(jnp.add, column) for column in zip(*terms, strict=True)]


def _transpose(cotangents, *arrays, forward, transpose, residuals):
    fixed, arguments = arrays[:residuals], arrays[residuals:]
    cotangents = [ad.instantiate_zeros(c) for c in cotangents]
    results = _linear_p.bind(
        *fixed, *cotangents, forward=transpose, transpose=forward, residuals=residuals
    )
    wanted = [
        _sharded_as(a.aval, r) if ad.is_undefined_primal(a) else None
        for r, a in zip(results, arguments, strict=True)
    ]
    return [None] * residuals + wanted


def _sharded_as(kind, cotangent: Array) -> Array:
    """On a mesh with explicit axes, gathers the cotangent of an unsharded argument."""
    own, wanted = jax.typeof(cotangent).sharding, kind.sharding.spec
    if own.spec == wanted:
        return cotangent
    return jax.sharding.reshard(cotangent, jax.NamedSharding(own.mesh, wanted))


@dataclass(frozen=True)
class _Mapped:
    """Maps over a leading axis of the arguments, and of those residuals that have one."""

    forward: Map
    axes: tuple[int | None, ...]

    def __call__(self, residuals: Arrays, arguments: Arrays) -> Arrays:
        return jax.vmap(self.forward, (list(self.axes), 0))(list(residuals), list(arguments))


def _batch(arrays, axes, *, forward, transpose, residuals):
    size = next(a.shape[axis] for a, axis in zip(arrays, axes, strict=True) if axis is not None)
    moved = []
    for number, (a, axis) in enumerate(zip(arrays, axes, strict=True)):
        if axis is not None:
            a = jnp.moveaxis(a, axis, 0)
        elif number >= residuals:
            a = jnp.broadcast_to(a, (size, *a.shape))
        moved.append(a)
    over = tuple(None if axis is None else 0 for axis in axes[:residuals])
    results = _linear_p.bind(
        *moved,
        forward=_Mapped(forward, over),
        transpose=_Mapped(transpose, over),
        residuals=residuals,
    )
    return results, [0] * len(results)


ad.primitive_jvps[_linear_p] = _jvp
ad.primitive_transposes[_linear_p] = _transpose
batching.primitive_batchers[_linear_p] = _batch
mlir.register_lowering(_linear_p, mlir.lower_fun(_apply, multiple_results=True))
