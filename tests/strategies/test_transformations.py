"""Every strategy, with its parameters and in training, under the transformations of JAX."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.sharding import AxisType, PartitionSpec

from cnn_jax import layers, strategies

every_strategy = pytest.mark.parametrize('name', strategies.strategy_names())
SHAPE = (2, 8, 8, 8)


def layer_of(name: str):
    """(params, loss(params, x)): a layer in training whose random draws are fixed."""
    layer = layers.Downsample(strategies.strategy_named(name))
    shapes = jax.eval_shape(
        lambda: layer.init(jax.random.key(0), jnp.zeros(SHAPE, jnp.float32), train=False)
    )
    rng = np.random.default_rng(0)
    params = jax.tree.map(
        lambda s: (0.5 + 0.4 * rng.random(s.shape)).astype(np.float32), shapes.get('params', {})
    )
    rest = jax.tree.map(
        lambda s: np.ones(s.shape, s.dtype), {k: v for k, v in shapes.items() if k != 'params'}
    )

    def loss(params, x):
        rngs = {'downsample': jax.random.key(3)}
        y, _ = layer.apply(
            {'params': params, **rest}, x, train=True, rngs=rngs, mutable=['losses', 'batch_stats']
        )
        weights = jnp.cos(jnp.arange(np.prod(y.shape[1:]), dtype=jnp.float32))
        return (weights.reshape(y.shape[1:]).astype(y.dtype) * jnp.sin(y)).sum()

    return params, loss


def image(shape=SHAPE, dtype=np.float32) -> np.ndarray:
    """Values above 0 without ties."""
    rng = np.random.default_rng(1)
    return ((rng.permutation(np.prod(shape)) + 1.0) / np.prod(shape)).reshape(shape).astype(dtype)


def product_of(loss):
    """Hessian-vector product, by forward mode over reverse mode."""
    return lambda at, along: jax.jvp(jax.grad(loss, argnums=(0, 1)), at, along)[1]


@every_strategy
def test_hessian_vector_products_agree_with_finite_differences_of_the_gradient(name):
    with jax.enable_x64(True):
        params, loss = layer_of(name)
        at = jax.tree.map(lambda a: a.astype(np.float64), (params, image()))
        along = jax.tree.map(lambda a: np.cos(np.arange(a.size)).reshape(a.shape), at)
        fast = {'xla_backend_optimization_level': 0, 'xla_llvm_disable_expensive_passes': True}

        def both(at, along):
            return jax.grad(loss, argnums=(0, 1))(*at), product_of(loss)(at, along)

        program = jax.jit(both).lower(at, along).compile(compiler_options=fast)
        step = 1e-6
        moved = [jax.tree.map(lambda a, v, s=s: a + s * v, at, along) for s in (step, -step)]
        up, down = (program(m, along)[0] for m in moved)
        _, product = program(at, along)
        jax.tree.map(
            lambda p, u, d: np.testing.assert_allclose(p, (u - d) / 2 / step, 1e-5, 1e-5),
            product,
            up,
            down,
        )


@every_strategy
def test_gradients_export_with_any_batch_and_lower_for_accelerators(name):
    params, loss = layer_of(name)
    (batch,) = export.symbolic_shape('batch')
    symbolic = jax.ShapeDtypeStruct((batch, *SHAPE[1:]), np.float32)
    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    exported = export.export(gradient, platforms=('cpu', 'cuda', 'tpu'))(params, symbolic)
    assert exported.out_avals[-1].shape[0] == batch
    text = exported.mlir_module()
    assert 'func.func public @main' in text
    assert not re.search(r'stablehlo\.(select_and_)?scatter|callback', text)


@every_strategy
def test_empty_batches_narrow_floats_and_explicit_meshes_are_traced(name):
    params, loss = layer_of(name)
    gradient = jax.grad(loss, argnums=(0, 1))
    _, dx = jax.eval_shape(gradient, params, image()[:0])
    assert dx.shape == (0, *SHAPE[1:])
    with jax.numpy_dtype_promotion('strict'):
        for dtype in (jnp.float16, jnp.bfloat16):
            dparams, dx = jax.eval_shape(gradient, params, jnp.asarray(image(), dtype))
            assert dx.dtype == dtype
            assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(dparams))
    mesh = jax.make_mesh((2,), ('data',), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        x = jax.device_put(image(), jax.NamedSharding(mesh, PartitionSpec('data')))
        jax.jit(gradient).lower(params, x)
