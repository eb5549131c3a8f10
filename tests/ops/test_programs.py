"""Every op under vmap, in every floating type, for any batch size, exported and lowered."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from cnn_jax import ops
from tests.ops.programs import (
    BATCH,
    NOT_OF_MAPS,
    PROGRAMS,
    arrays_of,
    assert_close,
    compiled,
    every_program,
    run_compiled,
    value_and_gradients,
)

DTYPES = ['float16', 'bfloat16', 'float32', 'float64']
TOLERANCES = {'conv, tiles': 1e-3}  # exported, it takes Winograd's form for 3 images too


def test_every_op_is_here():
    called = {name.partition(',')[0] for name in PROGRAMS}
    assert called == set(ops.__all__) - NOT_OF_MAPS


@every_program
def test_vmap_over_any_axis_is_a_loop(name):
    """Values and gradients, over the last axis of the map and the first of all other arrays."""
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    others = [[a, a[::-1] * 0.9] for a in arrays]
    stacked = [np.stack(pair, -1 if i == 0 else 0) for i, pair in enumerate(others)]
    axes = tuple(-1 if i == 0 else 0 for i in range(len(arrays)))
    together = run_compiled(jax.vmap(program, axes), *stacked)
    one = compiled(program, *arrays)
    looped = [one(*(pair[i] for pair in others)) for i in range(2)]
    assert_close(together, jax.tree.map(lambda *leaves: np.stack(leaves), *looped), 2e-4)


@pytest.mark.parametrize('name', ['tips_pool', 'lps_pool', 'batch_norm', 'learned_blur_pool'])
def test_vmap_over_the_map_alone_and_over_all_but_the_map(name):
    """What is mapped is then what the linear map is fixed by, or what it is applied to."""
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    for alone in (True, False):
        axes = tuple(0 if (i == 0) == alone else None for i in range(len(arrays)))
        pairs = [
            (a, a) if axis is None else (a, a[::-1] * 0.9)
            for a, axis in zip(arrays, axes, strict=True)
        ]
        given = [p[0] if axis is None else np.stack(p) for p, axis in zip(pairs, axes, strict=True)]
        together = run_compiled(jax.vmap(program, axes), *given)
        one = compiled(program, *arrays)
        looped = [one(*(p[i] for p in pairs)) for i in range(2)]
        assert_close(together, jax.tree.map(lambda *leaves: np.stack(leaves), *looped), 2e-4)


@pytest.mark.parametrize('dtype', DTYPES)
@every_program
def test_dtypes_are_kept_under_strict_promotion(name, dtype):
    """Results, tangents and cotangents have the dtype of the map; other arrays may be float32."""
    function = PROGRAMS[name].function
    with jax.enable_x64(dtype == 'float64'), jax.numpy_dtype_promotion('strict'):
        arrays = [jax.ShapeDtypeStruct(a.shape, jnp.dtype(dtype)) for a in arrays_of(name)]
        mixed = arrays[:1] + [jax.ShapeDtypeStruct(a.shape, jnp.float32) for a in arrays[1:]]
        for given in (arrays, mixed) if not name.startswith('conv') else (arrays,):
            y, tangent = jax.eval_shape(lambda *a: jax.jvp(function, a, a), *given)
            cotangents = jax.eval_shape(lambda *a: jax.vjp(function, *a)[1](function(*a)), *given)
            assert y.dtype == tangent.dtype == dtype
            assert [c.dtype for c in cotangents] == [a.dtype for a in given]


@every_program
def test_narrow_floats_round_the_result_of_wide_ones(name, dtype='bfloat16'):
    function = PROGRAMS[name].function
    arrays = [jnp.asarray(a, dtype) for a in arrays_of(name, np.float32)]
    y = np.asarray(run_compiled(function, *arrays), np.float64)
    exact = np.asarray(run_compiled(function, *(a.astype(np.float32) for a in arrays)), np.float64)
    steps = 8 if name.startswith('conv') else 2  # lax adds narrow floats up in their own type
    unit = float(jnp.finfo(dtype).eps) * max(1.0, np.abs(exact).max())
    np.testing.assert_allclose(y, exact, atol=steps * unit)


@every_program
def test_an_empty_batch_gives_an_empty_batch(name):
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    empty = arrays_of(name, np.float32, batch=0)
    (y, gradients), (full, _) = (jax.eval_shape(program, *a) for a in (empty, arrays))
    axis = full.shape.index(BATCH) if BATCH in full.shape else None
    assert [g.shape for g in gradients] == [a.shape for a in empty]
    if axis is not None:
        assert y.shape == tuple(0 if i == axis else n for i, n in enumerate(full.shape))
    found = run_compiled(program, *empty)
    for gradient in found[1]:
        assert not np.asarray(gradient).any()  # no example moves a weight


@every_program
def test_an_exported_program_serves_any_batch(name):
    """Symbolic batch, through bytes and back: values and gradients, the ones of the program."""
    program = value_and_gradients(PROGRAMS[name].function)
    (batch,) = export.symbolic_shape('batch')
    arrays = arrays_of(name, np.float32)
    shapes = [(batch, *a.shape[1:]) if a.shape[:1] == (BATCH,) else a.shape for a in arrays]
    symbolic = [jax.ShapeDtypeStruct(s, np.float32) for s in shapes]
    exported = export.export(jax.jit(program))(*symbolic)
    back = export.deserialize(exported.serialize())
    few = arrays_of(name, np.float32, batch=3)
    assert_close(
        run_compiled(back.call, *few), run_compiled(program, *few), TOLERANCES.get(name, 1e-4)
    )


@every_program
def test_accelerators_get_no_scatter_and_no_call_to_the_host(name):
    program = value_and_gradients(PROGRAMS[name].function)
    traced = jax.jit(program).trace(*arrays_of(name, np.float32))
    text = traced.lower(lowering_platforms=('cuda', 'tpu')).as_text()
    assert 'func.func public @main' in text
    assert not re.search(r'stablehlo\.(select_and_)?scatter|callback', text)
