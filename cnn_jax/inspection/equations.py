"""Receptive fields derived from the equations of a traced program."""

from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend.core import Jaxpr, Literal

from cnn_jax.inspection.fields import POINT, ReceptiveField, Window

Field = ReceptiveField | None  # None is the whole image
_PROGRAMS = ('jaxpr', 'call_jaxpr', 'fun_jaxpr')  # where equations keep the program they call
_MIX_PLACES = (  # even if the shape does not change
    'cond',
    'while',
    'scan',
    'fft',
    'sort',
    'rev',
    'gather',
    'scatter',
    'scatter-add',
    'dynamic_slice',
    'dynamic_update_slice',
    'cumsum',
    'cumprod',
    'cummax',
    'cummin',
    'cumlogsumexp',
)


def read_fields(
    jaxpr: Jaxpr,
    inputs: Mapping[Any, Field],
    rules: Mapping[str, tuple[str, Window | None]],
    named: dict[str, Field],
) -> list[Field | bool]:
    """The field of each output of a program of (batch, height, width, ...) arrays.

    `inputs` holds the fields of those input variables that depend on the image; False means that an
    output does not. Arrays named by `checkpoint_name` are added to `named`. One with a rule (name
    of the array that it was computed from, window) has the field that follows from the rule,
    whatever the equations in between; a window of None is the whole map.

    Convolutions, pools by `reduce_window`, padding and slices are followed, as is every
    position-wise operation. Anything else counts as reading the whole map.
    """
    env = dict(inputs)
    for eqn in jaxpr.eqns:
        reads = [v for v in eqn.invars if not isinstance(v, Literal) and v in env]
        name = eqn.primitive.name
        if name == 'name' and reads:
            source, window = rules.get(eqn.params['name'], (None, None))
            field = env[reads[0]] if source is None else _after(named.get(source), window)
            named[eqn.params['name']] = env[eqn.outvars[0]] = field
        elif reads and (inner := _called(eqn)):
            pairs = zip(inner.invars, eqn.invars, strict=True)
            given = {v: env[o] for v, o in pairs if not isinstance(o, Literal) and o in env}
            outputs = read_fields(inner, given, rules, named)
            env |= {
                v: field
                for v, field in zip(eqn.outvars, outputs, strict=True)
                if not isinstance(field, bool)
            }
        elif reads:
            fields = [env[v] for v in reads]
            field = None if None in fields else _equation_field(eqn, reads, fields)
            env |= {v: field for v in eqn.outvars}
    return [False if isinstance(v, Literal) else env.get(v, False) for v in jaxpr.outvars]


def _called(eqn: Any) -> Jaxpr | None:
    """The program that an equation runs once on its inputs, such as that of a jitted function."""
    if eqn.primitive.name in _MIX_PLACES:
        return None
    found = next((eqn.params[key] for key in _PROGRAMS if key in eqn.params), None)
    if found is None:
        return None
    inner: Any = found if isinstance(found, Jaxpr) else found.jaxpr
    shapes = [[v.aval.shape for v in variables] for variables in (inner.invars, eqn.invars)]
    return inner if shapes[0] == shapes[1] else None  # else it is the reducer of a reduction


def _after(field: Field, window: Window | None) -> Field:
    return None if field is None or window is None else field.after(window)


def _equation_field(eqn: Any, reads: list, fields: list) -> Field:
    """The field of what one equation computes from arrays with these fields."""
    joined = fields[0]
    for field in fields[1:]:
        joined = joined and joined.joined(field)
    if joined is None or len({v.aval.shape[:3] for v in reads}) != 1:
        return None
    window = _window(eqn, reads)
    return joined.after(window) if window else None


def _window(eqn: Any, reads: list) -> Window | None:
    name, params, rank = eqn.primitive.name, eqn.params, len(reads[0].aval.shape)
    if name == 'conv_general_dilated':
        return _convolution_window(eqn) if reads == eqn.invars[:1] else None
    if name.startswith('reduce_window'):
        return _pool_window(params) if rank == 4 else None
    if name == 'pad' and rank == 4:
        lows, _, between = zip(*params['padding_config'][1:3], strict=True)
        return (
            None if any(between) else _placed([int(low) for low in lows])
        )  # jnp.pad's are NumPy's
    if name == 'slice' and rank == 4:
        lows = [-start for start in params['start_indices'][1:3]]
        return _placed(lows, strides=(params['strides'] or (1,) * rank)[1:3])
    kept = name not in _MIX_PLACES and _keeps_places(name, params, eqn, reads)
    return POINT if kept else None


def _convolution_window(eqn: Any) -> Window | None:
    params, numbers = eqn.params, eqn.params['dimension_numbers']
    last = tuple(numbers.lhs_spec[2:]) == tuple(numbers.out_spec[2:]) == (1, 2)
    if not last or set(params['lhs_dilation']) != {1}:
        return None
    kernel = [eqn.invars[1].aval.shape[axis] for axis in numbers.rhs_spec[2:]]
    lows = [low for low, _ in params['padding']]
    return _placed(lows, kernel, params['rhs_dilation'], params['window_strides'])


def _pool_window(params: Mapping[str, Any]) -> Window | None:
    sizes, dilations, strides = (
        params[f'window_{key}'] for key in ('dimensions', 'dilation', 'strides')
    )
    if sizes[0] != 1 or set(params['base_dilation']) != {1}:
        return None
    lows = [low for low, _ in params['padding'][1:3]]
    return _placed(lows, sizes[1:3], dilations[1:3], strides[1:3])


def _placed(
    lows: Sequence[int],
    sizes: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    strides: Sequence[int] = (1, 1),
) -> Window:
    """The window with these sizes, dilations and strides on a map with that low padding."""
    axes = zip(lows, sizes, dilations, strict=True)
    reach = tuple((low, d * (k - 1) - low) for low, k, d in axes)
    return Window(reach, tuple(strides))


def _keeps_places(name: str, params: Mapping[str, Any], eqn: Any, reads: list) -> bool:
    """Whether output (b, i, j) depends on the inputs at (b, i, j) alone."""
    places = reads[0].aval.shape[:3]
    if len(places) < 3 or any(v.aval.shape[:3] != places for v in eqn.outvars):
        return False
    if name == 'dot_general':
        (contracted, _), (batched, _) = params['dimension_numbers']
        return reads == eqn.invars[:1] and min(contracted, default=3) > 2 and not batched
    if name == 'transpose':
        return tuple(params['permutation'][:3]) == (0, 1, 2)
    if name == 'broadcast_in_dim':
        return tuple(params['broadcast_dimensions'][:3]) == (0, 1, 2)
    moved = [*params.get('axes', ()), params.get('dimension', 3), params.get('axis', 3)]
    return all(axis > 2 for axis in moved)
