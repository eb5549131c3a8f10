"""Every op under every transformation of JAX: one contract, one table of programs.

`python -m pytest tests/ops/test_transformations.py -v` prints the matrix.
"""

import re
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import AxisType, PartitionSpec
from jax.test_util import check_grads

from cnn_jax import ops
from tests.ops.programs import BATCH, NOT_OF_MAPS, PROGRAMS, arrays_of

every_program = pytest.mark.parametrize('name', PROGRAMS)
DTYPES = ['float16', 'bfloat16', 'float32', 'float64']
TOLERANCES = {'conv, tiles': 1e-3}  # exported, it takes Winograd's form for 3 images too


def test_every_op_is_here():
    called = {name.partition(',')[0] for name in PROGRAMS}
    assert called == set(ops.__all__) - NOT_OF_MAPS


def loss_of(function):
    """A scalar with second derivatives, of the results weighted differently."""

    def loss(*arrays):
        y = function(*arrays)
        weights = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
        return (weights.astype(y.dtype) * jnp.sin(y)).sum()

    return loss


def compiled(function, *arguments):
    """One compilation without optimisation, which takes longer than these small programs run."""
    fast = {'xla_backend_optimization_level': 0, 'xla_llvm_disable_expensive_passes': True}
    return jax.jit(function).lower(*arguments).compile(compiler_options=fast)(*arguments)


def close(actual, expected, tolerance=1e-9):
    jax.tree.map(
        lambda a, e: np.testing.assert_allclose(
            np.asarray(a, np.float64), np.asarray(e, np.float64), rtol=tolerance, atol=tolerance
        ),
        actual,
        expected,
    )


def value_and_gradients(function):
    loss = loss_of(function)

    def both(*arrays):
        return function(*arrays), jax.grad(loss, argnums=tuple(range(len(arrays))))(*arrays)

    return both


@every_program
def test_derivatives_of_both_modes_and_orders_agree_with_finite_differences(name):
    """float64: jvp, linearize, vjp, three kinds of Hessian-vector products, remat, nesting."""
    function = PROGRAMS[name].function
    with jax.enable_x64(True):
        arrays = arrays_of(name)
        directions = [np.cos(np.arange(a.size)).reshape(a.shape) for a in arrays]
        every = tuple(range(len(arrays)))
        loss = loss_of(function)

        @jax.custom_vjp
        def nested(*arrays):
            return function(*arrays)

        nested.defvjp(lambda *arrays: jax.vjp(function, *arrays), lambda pullback, g: pullback(g))

        def gradient(*arrays):
            return jax.grad(loss, argnums=every)(*arrays)

        def along(*arrays):
            return sum(jnp.vdot(g, v) for g, v in zip(gradient(*arrays), directions, strict=True))

        def first(*arrays):
            return function(*arrays), gradient(*arrays)

        def every_way(*arrays):
            y, tangent = jax.jvp(function, arrays, tuple(directions))
            _, pullback = jax.vjp(function, *arrays)
            return {
                'first': first(*arrays),
                'tangents': [tangent, jax.linearize(function, *arrays)[1](*directions)],
                'products': [
                    jnp.vdot(tangent, y),
                    sum(jnp.vdot(a, b) for a, b in zip(pullback(y), directions, strict=True)),
                ],
                'gradients': [
                    jax.grad(loss_of(jax.checkpoint(function)), argnums=every)(*arrays),
                    jax.grad(loss_of(nested), argnums=every)(*arrays),
                ],
                'hessians': [
                    jax.jvp(gradient, arrays, tuple(directions))[1],
                    jax.grad(along, argnums=every)(*arrays),
                    jax.grad(
                        lambda *arrays: jax.jvp(loss, arrays, tuple(directions))[1], argnums=every
                    )(*arrays),
                ],
            }

        found = compiled(every_way, *arrays)
        step = 1e-6
        up, down = (
            compiled(first, *(a + s * v for a, v in zip(arrays, directions, strict=True)))
            for s in (step, -step)
        )
        difference, difference_of_gradient = jax.tree.map(lambda u, d: (u - d) / 2 / step, up, down)
        for tangent in found['tangents']:
            close(tangent, difference, 1e-6)
        close(*found['products'])
        for gradients in found['gradients']:
            close(gradients, found['first'][1])
        for product in found['hessians']:
            close(product, difference_of_gradient, 1e-6)


@every_program
def test_vmap_over_any_axis_is_a_loop(name):
    """Values and gradients, over the last axis of the map and the first of all other arrays."""
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    others = [[a, a[::-1] * 0.9] for a in arrays]
    stacked = [np.stack(pair, -1 if i == 0 else 0) for i, pair in enumerate(others)]
    axes = tuple(-1 if i == 0 else 0 for i in range(len(arrays)))
    together = compiled(jax.vmap(program, axes), *stacked)
    one = jax.jit(program)
    looped = [one(*(pair[i] for pair in others)) for i in range(2)]
    close(together, jax.tree.map(lambda *leaves: np.stack(leaves), *looped), 2e-4)


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
        together = compiled(jax.vmap(program, axes), *given)
        looped = [jax.jit(program)(*(p[i] for p in pairs)) for i in range(2)]
        close(together, jax.tree.map(lambda *leaves: np.stack(leaves), *looped), 2e-4)


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
    y = np.asarray(jax.jit(function)(*arrays), np.float64)
    exact = np.asarray(jax.jit(function)(*(a.astype(np.float32) for a in arrays)), np.float64)
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
    found = compiled(program, *empty)
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
    close(back.call(*few), jax.jit(program)(*few), TOLERANCES.get(name, 1e-4))


@lru_cache
def mesh(kind: str) -> jax.sharding.Mesh:
    return jax.make_mesh((2,), ('data',), axis_types=(getattr(AxisType, kind),))


def on_two_devices(name: str):
    """The arrays, the same placed on a mesh of two devices, and how: batches are split."""
    grid = mesh('Explicit')
    arrays = arrays_of(name, np.float32)
    over = [PartitionSpec('data') if a.shape[:1] == (BATCH,) else PartitionSpec() for a in arrays]
    placed = [
        jax.device_put(a, jax.NamedSharding(grid, spec))
        for a, spec in zip(arrays, over, strict=True)
    ]
    return arrays, placed, over


@every_program
def test_a_batch_over_the_explicit_axis_of_a_mesh(name):
    program = value_and_gradients(PROGRAMS[name].function)
    with jax.set_mesh(mesh('Explicit')):
        arrays, placed, _ = on_two_devices(name)
        found = jax.jit(program)(*placed)
        close(found, jax.jit(program)(*arrays), 1e-4)
        assert found[1][0].sharding.spec[0] == 'data'  # the map's gradient stays where it is


@pytest.mark.parametrize('name', ['max_blur_pool', 'batch_norm', 'conv, tiles', 'aps_pool'])
def test_a_batch_over_the_automatic_axis_of_a_mesh(name):
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    over = jax.NamedSharding(mesh('Auto'), PartitionSpec('data'))
    placed = [jax.device_put(arrays[0], over), *arrays[1:]]
    close(jax.jit(program)(*placed), jax.jit(program)(*arrays), 1e-4)


@every_program
def test_shares_of_a_batch_inside_shard_map(name):
    """Gradients are those of each share; of arrays that all shares read, their sum."""
    function = PROGRAMS[name].function

    def gradients(*arrays):
        return jax.grad(loss_of(function), argnums=tuple(range(len(arrays))))(*arrays)

    with jax.set_mesh(mesh('Explicit')):
        arrays, placed, over = on_two_devices(name)
        sharded = jax.shard_map(gradients, in_specs=tuple(over), out_specs=tuple(over))
        found = jax.jit(sharded)(*placed)
    half, alone = BATCH // 2, jax.jit(gradients)
    first, second = (
        alone(*(a[i : i + half] if s else a for a, s in zip(arrays, over, strict=True)))
        for i in (0, half)
    )
    for place, split in enumerate(over):
        a, b = np.asarray(first[place]), np.asarray(second[place])
        close(found[place], np.concatenate([a, b]) if split else a + b, 1e-4)


@every_program
def test_accelerators_get_no_scatter_and_no_call_to_the_host(name):
    program = value_and_gradients(PROGRAMS[name].function)
    traced = jax.jit(program).trace(*arrays_of(name, np.float32))
    text = traced.lower(lowering_platforms=('cuda', 'tpu')).as_text()
    assert 'func.func public @main' in text
    assert not re.search(r'stablehlo\.(select_and_)?scatter|callback', text)


@pytest.mark.parametrize('order', [1, 2])
@pytest.mark.parametrize('name', ['max_pool, apart', 'max_blur_pool', 'blur_pool', 'batch_norm'])
def test_derivatives_pass_jax_s_own_check(name, order):
    with jax.enable_x64(True):

        def function(*arrays):
            return PROGRAMS[name].function(*map(jnp.asarray, arrays))

        check_grads(function, arrays_of(name), order, rtol=1e-4, atol=1e-4)


def test_jacobians_of_both_modes_are_one_matrix():
    with jax.enable_x64(True):
        (x,) = arrays_of('max_blur_pool')
        forward, backward = (
            jax.jit(jacobian(partial(ops.max_blur_pool)))(x[:1])
            for jacobian in (jax.jacfwd, jax.jacrev)
        )
        close(forward, backward)
        hessian = jax.jit(jax.hessian(loss_of(ops.max_blur_pool)))(x[:1]).reshape(x[0].size, -1)
        close(hessian, hessian.T)
        assert np.abs(hessian).max() > 0.1


@pytest.mark.parametrize(
    'pool',
    [
        partial(ops.max_pool, window=2),
        partial(ops.max_pool, window=2, stride=1),
        partial(ops.max_pool, window=3, stride=2, padding='same'),
        partial(ops.min_pool, window=4, stride=1),
        ops.global_max_pool,
        ops.max_blur_pool,
    ],
)
def test_second_derivatives_at_ties_are_those_of_the_first_maximum(pool):
    """The Hessian of the sum of squares of what is linear between kinks is 2 J^T J."""
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).integers(0, 2, (1, 5, 4, 1)), np.float64)
        hessian = jax.hessian(lambda x: jnp.square(pool(x)).sum())(x).reshape(x.size, x.size)
        jacobian = jax.jacrev(pool)(x).reshape(-1, x.size)
        close(hessian, 2 * jacobian.T @ jacobian)


def test_a_component_of_weight_zero_still_moves_with_its_weight():
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    weights = jnp.array([[1.0, 0.0, 0.0, 0.0]])

    def mixed(x, weights):
        return ops.lps_pool(x, weights).sum()

    by_weight_of_x = jax.jacfwd(jax.grad(mixed), 1)(x, weights).reshape(4, 4)
    by_x_of_weight = jax.jacfwd(jax.grad(mixed, 1), 0)(x, weights).reshape(4, 4)
    np.testing.assert_array_equal(by_weight_of_x, np.eye(4))
    np.testing.assert_array_equal(by_x_of_weight, np.eye(4))


def test_arrays_that_do_not_move_add_nothing(unchecked):
    """Whole numbers have no tangent; an infinity beside a fixed kernel makes no NaN elsewhere."""
    x = jnp.arange(1.0, 5.0).reshape(1, 2, 2, 1)
    chosen = jnp.array([[True, False, False, False]])
    _, tangent = jax.jvp(lambda x: ops.lps_pool(x, chosen), (x,), (x,))
    assert tangent.tolist() == [[[[1.0]]]]
    far = x.at[0, 0, 0, 0].set(jnp.inf)
    _, tangent = jax.jvp(lambda x: ops.tips_features(x, jnp.ones((3, 3, 1))), (far,), (x,))
    assert np.isfinite(tangent).all()


@pytest.mark.parametrize('name', ['lps_pool', 'batch_norm', 'tips_pool', 'conv, lax'])
def test_explicit_meshes_take_sharded_beside_unsharded_arrays(name):
    """The map sharded along its batch or its channels, all other arrays on every device."""
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    with jax.set_mesh(mesh('Explicit')):
        for spec in (PartitionSpec('data'), PartitionSpec(None, None, None, 'data')):
            if name in ('lps_pool', 'conv, lax') and spec[0] is None:
                continue  # sums over channels
            placed = jax.device_put(arrays[0], jax.NamedSharding(mesh('Explicit'), spec))
            found = jax.jit(program)(placed, *arrays[1:])
            close(found, jax.jit(program)(*arrays), 1e-4)
