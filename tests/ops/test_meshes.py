"""Every op on more than one device."""

from functools import lru_cache

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, PartitionSpec

from tests.ops.programs import (
    BATCH,
    PROGRAMS,
    arrays_of,
    assert_close,
    compiled,
    every_program,
    loss_of,
    run_compiled,
    value_and_gradients,
)


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
        found = run_compiled(program, *placed)
        assert_close(found, run_compiled(program, *arrays), 1e-4)
        assert found[1][0].sharding.spec[0] == 'data'  # the map's gradient stays where it is


@pytest.mark.parametrize('name', ['max_blur_pool', 'batch_norm', 'conv, tiles', 'aps_pool'])
def test_a_batch_over_the_automatic_axis_of_a_mesh(name):
    program = value_and_gradients(PROGRAMS[name].function)
    arrays = arrays_of(name, np.float32)
    over = jax.NamedSharding(mesh('Auto'), PartitionSpec('data'))
    placed = [jax.device_put(arrays[0], over), *arrays[1:]]
    assert_close(jax.jit(program)(*placed), jax.jit(program)(*arrays), 1e-4)


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
            assert_close(found, jax.jit(program)(*arrays), 1e-4)


@every_program
def test_shares_of_a_batch_inside_shard_map(name):
    """Gradients are those of each share; of arrays that all shares read, their sum."""
    function = PROGRAMS[name].function

    def gradients(*arrays):
        return jax.grad(loss_of(function), argnums=tuple(range(len(arrays))))(*arrays)

    with jax.set_mesh(mesh('Explicit')):
        arrays, placed, over = on_two_devices(name)
        sharded = jax.shard_map(gradients, in_specs=tuple(over), out_specs=tuple(over))
        found = run_compiled(sharded, *placed)
    half = BATCH // 2
    shares = [
        [a[i : i + half] if s else a for a, s in zip(arrays, over, strict=True)] for i in (0, half)
    ]
    alone = compiled(gradients, *shares[0])
    first, second = (alone(*share) for share in shares)
    for place, split in enumerate(over):
        a, b = np.asarray(first[place]), np.asarray(second[place])
        assert_close(found[place], np.concatenate([a, b]) if split else a + b, 1e-4)
