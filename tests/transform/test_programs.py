"""Sites inside other programs, and the result of `antialias` under JAX's transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from cnn_jax.transform import antialias, find_downsampling
from tests.transform.by_hand import blurred_conv, blurred_pool, conv, draw, pool

STEPS = (3, 3), (2, 2), 'SAME'


def plain(x):
    return pool(jax.nn.relu(x), *STEPS)


def by_hand(x):
    return blurred_pool(jax.nn.relu(x), *STEPS)


def kept(f):
    """A square map whose pool has its own shape again, for loops that carry it."""
    return lambda x: jnp.repeat(jnp.repeat(f(x), 2, 1), 2, 2)


def with_vjp(f):
    @jax.custom_vjp
    def g(x):
        return f(x)

    g.defvjp(lambda x: (f(x), x), lambda x, _: (jnp.zeros_like(x),))
    return g


def with_jvp(f):
    @jax.custom_jvp
    def g(x):
        return f(x)

    g.defjvp(lambda x, t: (f(x[0]), jnp.zeros_like(f(x[0]))))
    return g


def looped(f):
    return lambda x: lax.while_loop(
        lambda state: (state[0] < 2) & (f(state[1]).sum() > -jnp.inf),
        lambda state: (state[0] + 1, kept(f)(state[1])),
        (0, x),
    )[1]


def scanned(f):
    def scan(x):
        def body(carry, now):
            scale, count, y = carry
            y = kept(f)(y) * scale + now
            return (scale, count + 1, y), (count, f(y))

        first = jnp.asarray(0.5, x.dtype), 0, x
        (_, count, y), collected = lax.scan(body, first, jnp.arange(3, dtype=x.dtype), reverse=True)
        return count, y, collected

    return scan


PROGRAMS = {
    'jit': lambda f: jax.jit(lambda x: jax.jit(f)(x) + 1),
    'twice': lambda f: lambda x: jax.jit(f)(jax.jit(f)(x)),
    'remat': lambda f: jax.checkpoint(f, policy=jax.checkpoint_policies.nothing_saveable),
    'scan': scanned,
    'fori': lambda f: lambda x: lax.fori_loop(0, 2, lambda _, x: kept(f)(x), x),
    'map': lambda f: lambda x: lax.map(f, x[:, None]),
    'while': looped,
    'cond': lambda f: lambda x: lax.cond(x.sum() > 0, f, lambda x: f(-x), x),
    'switch': lambda f: (
        lambda x: lax.switch(
            jnp.int32(x[0, 0, 0, 0] > 0) + 1, [f, lambda x: f(2 * x), lambda x: x[:, ::2, ::2]], x
        )
    ),
    'platform': lambda f: (
        lambda x: lax.platform_dependent(
            x, cpu=lambda x: f(x) * 2, tpu=lambda x: f(x) * 3, default=f
        )
    ),
    'custom_vjp': with_vjp,
    'custom_jvp': with_jvp,
    'vmap': lambda f: jax.vmap(lambda x: f(x[None])),
}


def close(found, wanted, **tolerance):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, **tolerance)


@pytest.mark.parametrize('name', PROGRAMS)
def test_programs_in_programs(name):
    x = draw(2, 8, 8, 3)
    f, g = antialias(PROGRAMS[name](plain)), PROGRAMS[name](by_hand)
    found, wanted = jax.jit(lambda x: (f(x), g(x)))(x)
    close(found, wanted, rtol=1e-6, atol=1e-6)
    if name in ('jit', 'scan', 'cond', 'custom_jvp'):  # a program runs the same without jit
        eager = f(x)
        close(eager, found, rtol=1e-5, atol=1e-6)
        assert jax.tree.structure(eager) == jax.tree.structure(found)


@pytest.mark.parametrize('name', sorted(set(PROGRAMS) - {'while', 'custom_vjp', 'custom_jvp'}))
def test_derivatives_through_programs(name):
    with jax.enable_x64(True):
        x = draw(2, 8, 8, 3, dtype='float64')

        def loss(f):
            return lambda x: sum((leaf**2).sum() for leaf in jax.tree.leaves(f(x)) if leaf.ndim > 1)

        f, g = antialias(PROGRAMS[name](plain)), PROGRAMS[name](by_hand)
        found, wanted = jax.jit(lambda x: (jax.grad(loss(f))(x), jax.grad(loss(g))(x)))(x)
        close(found, wanted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize('custom', [with_vjp, with_jvp])
def test_custom_derivatives_around_a_site_are_dissolved_and_others_stay(custom):
    x = draw(2, 8, 8, 3)
    f = antialias(custom(plain))
    (change,) = f.report(x)
    assert change.blurred and change.why.startswith('its custom_')
    close(jax.grad(lambda x: f(x).sum())(x), jax.grad(lambda x: by_hand(x).sum())(x), atol=1e-6)
    beside = antialias(lambda x: plain(custom(lambda x: x * 2)(x)))
    assert not jax.grad(lambda x: beside(x).sum())(x).any()


def test_it_maps_and_compiles():
    """A batch of batches at once, one by one, and with the map inside what is anti-aliased."""
    x, f = draw(3, 2, 7, 6, 2), antialias(plain)

    @jax.jit
    def program(x):
        one_by_one = jnp.stack([f(each) for each in x])
        gradients = jax.vmap(jax.grad(lambda x: f(x[None]).sum()))(x[0])
        wanted = jax.grad(lambda x: f(x).sum())(x[0])
        mapped = jax.vmap(f)(x), jax.vmap(jax.jit(f))(x), antialias(jax.vmap(plain))(x)
        return one_by_one, mapped, gradients, wanted

    one_by_one, mapped, gradients, wanted = program(x)
    for found in (*mapped, jax.vmap(f)(x)):
        close(found, one_by_one, rtol=1e-6)
    close(gradients, wanted, rtol=1e-6)


def test_kernels_that_are_mapped():
    x, kernels = draw(2, 9, 8, 3), draw(5, 3, 3, 3, 4, seed=1)
    f = antialias(jax.vmap(lambda k: conv(x, k, (2, 2), 'SAME')))
    wanted = jax.vmap(lambda k: blurred_conv(x, k, (2, 2), 'SAME'))(kernels)
    close(f(kernels), wanted, rtol=1e-5, atol=1e-5)


def test_it_is_not_traced_again_under_jit():
    count = []

    @jax.jit
    def f(x):
        count.append(1)
        return antialias(plain)(x)

    for seed in range(2):
        f(draw(2, 8, 8, 3, seed=seed))
    assert len(count) == 1


def test_captured_values_and_closed_over_derivatives():
    scale, x = jnp.float32(3), draw(2, 8, 8, 3)

    def loss(scale):
        return antialias(lambda x: plain(x * scale))(x).sum()

    close(jax.grad(loss)(scale), jax.grad(lambda s: by_hand(x * s).sum())(scale), rtol=1e-5)


def test_names_of_modules_survive():
    def f(x):
        with jax.named_scope('stage'):
            return plain(x)

    x = draw(2, 8, 8, 3)
    (site,) = find_downsampling(f, x)
    assert site.path == 'stage'
    program = jax.make_jaxpr(antialias(f))(x)
    assert {str(eqn.source_info.name_stack) for eqn in program.jaxpr.eqns} == {'stage'}


def test_a_loop_over_a_map_that_stays_in_another_program():
    """Programs that are not built anew are named in the problem of their sites."""
    mesh = jax.make_mesh((1,), ('batch',), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec('batch')
    f = jax.shard_map(plain, mesh=mesh, in_specs=spec, out_specs=spec)
    (site,) = find_downsampling(f, draw(2, 8, 8, 3))
    assert site.problem == 'it stands inside shard_map'


def test_platforms_that_differ():
    def f(x):
        return lax.platform_dependent(x, cpu=lambda x: x[:, ::2, ::2], default=plain)

    (site,) = find_downsampling(f, draw(2, 8, 8, 3))
    assert site.problem == 'other platforms take another form'
