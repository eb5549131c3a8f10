"""Programs of functions: traced, searched for sites, and run again with other equations there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.core import Tracer
from jax.extend.core import Literal

from cnn_jax.errors import BadInput, one_line, require
from cnn_jax.transform.site import DIFFERENTIATED, Site, opened, read_site

Position = tuple[int, ...]  # equation, program in it, equation in that, ...
Instead = Callable[[Any, list], list]  # equation, its inputs -> its results
_INLINED = ('jit', 'pjit', 'closed_call', 'custom_jvp_call', 'custom_vjp_call')
_REMAT = ('remat2', 'remat', 'checkpoint')
_COMPUTED = object()  # stands for an array among what a function returns
_NEEDS_A_VALUE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
)
_REBUILT = (*_INLINED, *_REMAT, 'scan', 'while', 'cond')


def trace(f: Callable, args: tuple, kwargs: Mapping) -> tuple[Any, list, Callable[[Sequence], Any]]:
    """The program of `f`, the arrays to run it on, and what makes its result of the program's.

    Arrays, and what `jax.ShapeDtypeStruct` describes, are variables of the program; every other
    argument stays what it is, NumPy's scalars too, and so does what `f` returns beside arrays of
    JAX. Raises `BadInput` where `f` needs an array's value, or hides arrays in what it returns.
    """
    leaves, tree = jax.tree.flatten((args, dict(kwargs)))
    places = [i for i, leaf in enumerate(leaves) if _is_variable(leaf)]
    returned, structure = [], None

    def of_arrays(*arrays):
        nonlocal returned, structure
        new = dict(zip(places, arrays, strict=True))
        given, named = tree.unflatten([new.get(i, leaf) for i, leaf in enumerate(leaves)])
        flat, structure = jax.tree.flatten(f(*given, **named))
        computed = [leaf for leaf in flat if isinstance(leaf, jax.Array)]
        returned = [_COMPUTED if isinstance(leaf, jax.Array) else _kept(leaf) for leaf in flat]
        return computed

    def result(computed: Sequence) -> Any:
        values = iter(computed)
        flat = [next(values) if leaf is _COMPUTED else leaf for leaf in returned]
        return jax.tree.unflatten(structure, flat)

    arrays = [leaves[i] for i in places]
    try:
        return jax.make_jaxpr(of_arrays)(*arrays), arrays, result
    except _NEEDS_A_VALUE as error:
        raise BadInput(
            'f needs the value of an array, which a traced function does not know: '
            f'give it as a Python number, or as a constant of f ({one_line(error, at_most=80)}).'
        ) from error


def _is_variable(leaf: object) -> bool:
    if not isinstance(leaf, jax.Array | np.ndarray | jax.ShapeDtypeStruct):
        return False
    kinds = (jnp.number, jnp.bool_, jax.dtypes.extended)
    return any(jnp.issubdtype(leaf.dtype, kind) for kind in kinds)


def _kept(leaf: object) -> object:
    """What `f` returns and is no array of JAX, unless it hides some."""
    within = jax.tree.leaves(getattr(leaf, '__dict__', None))
    require(
        not any(isinstance(value, Tracer) for value in within),
        f'f returns a {type(leaf).__name__}, in which JAX cannot see the arrays: return these, or '
        'make it a pytree (jax.tree_util.register_dataclass).',
    )
    return leaf


def find_sites(program: Any) -> dict[Position, Site]:
    """The sites of a program by their position, in the order of the program."""
    found = _search(program, (), '', ())
    return {place: replace(site, index=i) for i, (place, site) in enumerate(found)}


def takes_derivatives(program: Any) -> bool:
    """Whether any equation of a program, at any depth, is part of a derivative."""
    stacks = (str(eqn.source_info.name_stack) for eqn in opened(program)[0].eqns)
    if any(f'{part}(' in stack for stack in stacks for part in (DIFFERENTIATED, 'transpose')):
        return True
    inner = (body for eqn in opened(program)[0].eqns for body in _programs(eqn))
    return any(map(takes_derivatives, inner))


def _search(
    program: Any, position: Position, path: str, inside: tuple[str, ...]
) -> Iterator[tuple[Position, Site]]:
    jaxpr, _ = opened(program)
    constant = set()
    for number, eqn in enumerate(jaxpr.eqns):
        here, name = (*position, number), eqn.primitive.name
        stack = str(eqn.source_info.name_stack)
        named = '/'.join(part for part in (path, stack) if part)
        if name == 'broadcast_in_dim' and isinstance(eqn.invars[0], Literal):
            constant |= set(eqn.outvars)
        around = inside
        if f'{DIFFERENTIATED}(' in stack and DIFFERENTIATED not in inside:
            around = (*inside, DIFFERENTIATED)
        site = read_site(eqn)
        if site and not (isinstance(v := eqn.invars[0], Literal) or v in constant):
            unknown = next((name for name in around if name not in (*_REBUILT, DIFFERENTIATED)), '')
            problem = site.problem or (unknown and f'it stands inside {unknown}')
            yield here, replace(site, path=named, inside=around, problem=problem)
        elif not site:
            inner = [
                list(_search(body, (*here, i), named, (*around, name)))
                for i, body in enumerate(_programs(eqn))
            ]
            uneven = eqn.params.get('branches_platforms') and len({len(f) for f in inner}) > 1
            problem = 'other platforms take another form' if uneven else ''
            for place, site in (pair for found in inner for pair in found):
                yield place, replace(site, problem=site.problem or problem)


def _programs(eqn: Any) -> list:
    """The programs that an equation holds."""
    found = []
    for value in eqn.params.values():
        values = value if isinstance(value, tuple | list) else [value]
        found += [v for v in values if hasattr(v, 'eqns') or hasattr(v, 'jaxpr')]
    return found


def run(
    program: Any, arrays: Sequence, instead: Mapping[Position, Instead], position: Position = ()
) -> list:
    """The results of a program on arrays, with other equations in some positions.

    What holds no such position runs as it is, with its derivatives. Around one, jit and custom
    derivatives are dissolved; `checkpoint`, `scan`, `while_loop` and `cond` are built anew.
    """
    jaxpr, constants = opened(program)
    values = dict(zip(jaxpr.constvars, constants, strict=True))
    values |= zip(jaxpr.invars, arrays, strict=True)

    def read(v: Any) -> Any:
        return v.val if isinstance(v, Literal) else values[v]

    for number, eqn in enumerate(jaxpr.eqns):
        here = (*position, number)
        given = [read(v) for v in eqn.invars]
        stack = str(eqn.source_info.name_stack)
        with eqn.ctx.manager, jax.named_scope(stack) if stack else nullcontext():
            if here in instead:
                results = instead[here](eqn, given)
            elif any(place[: len(here)] == here for place in instead):
                results = _rebuilt(eqn, given, instead, here)
            else:
                results = bind(eqn, given)
        values |= zip(eqn.outvars, results, strict=True)
    return [read(v) for v in jaxpr.outvars]


def bind(eqn: Any, given: Sequence, **params: Any) -> list:
    """The results of one equation on other inputs, and with other parameters where given."""
    bound = eqn.primitive.get_bind_params({**eqn.params, **params})
    results = eqn.primitive.bind(*given, **bound)
    return list(results) if eqn.primitive.multiple_results else [results]


def _rebuilt(eqn: Any, given: list, instead: Mapping, here: Position) -> list:
    name, params = eqn.primitive.name, eqn.params
    programs = _programs(eqn)

    def of(number: int) -> Callable[..., list]:
        body = programs[number]
        return lambda *arrays: run(body, arrays, instead, (*here, number))

    if name in _INLINED:
        return of(0)(*given)
    if name in _REMAT:
        options = {key: params[key] for key in ('prevent_cse', 'policy')}
        return jax.checkpoint(of(0), **options)(*given)
    if name == 'scan':
        return _scan(eqn, given, opened(programs[0])[0], of(0))
    if name == 'while':
        tests, bodies = params['cond_nconsts'], params['body_nconsts']
        for_test, for_body = given[:tests], given[tests : tests + bodies]
        order = [key for key in params if key in ('cond_jaxpr', 'body_jaxpr')]
        test, body = of(order.index('cond_jaxpr')), of(order.index('body_jaxpr'))
        state = given[tests + bodies :]
        return lax.while_loop(
            lambda state: test(*for_test, *state)[0],
            lambda state: body(*for_body, *state),
            state,
        )
    require(name == 'cond', f'{name} cannot be built anew; please report this.')
    branches = [of(number) for number in range(len(programs))]
    platforms = params.get('branches_platforms')
    if not platforms:
        return lax.switch(given[0], branches, *given[1:])
    pairs = list(zip(platforms, branches, strict=True))
    named = {name: branch for names, branch in pairs for name in names or ()}
    default = next((branch for names, branch in pairs if names is None), None)
    return lax.platform_dependent(*given[1:], default=default, **named)


def _scan(eqn: Any, given: list, body: Any, step: Callable[..., list]) -> list:
    """`lax.scan` of another body. What is scanned over has one axis more outside than inside."""

    def longer(outer: Sequence, inner: Sequence) -> int:
        return sum(len(o.aval.shape) > len(i.aval.shape) for o, i in zip(outer, inner, strict=True))

    carried = len(body.outvars) - longer(eqn.outvars, body.outvars)
    first = len(given) - longer(eqn.invars, body.invars)
    fixed, state, over = given[: first - carried], given[first - carried : first], given[first:]

    def once(state: list, now: list) -> tuple[list, list]:
        results = step(*fixed, *state, *now)
        return results[:carried], results[carried:]

    options = {key: eqn.params[key] for key in ('length', 'reverse', 'unroll')}
    state, collected = lax.scan(once, state, over, **options)
    return [*state, *collected]
