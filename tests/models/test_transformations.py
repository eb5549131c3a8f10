"""Every network in training under the transformations of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import export
from jax.sharding import AxisType, PartitionSpec

from cnn_jax.models import build_model, for_images
from cnn_jax.strategies import Max, MaxBlur

# One of each; the others differ in depth, width or norm only.
EVERY_ARCHITECTURE = [
    'lenet5',
    'convnet1',
    'convnet3',
    'quicknet',
    'alexnet',
    'nin',
    'vgg11_bn',
    'googlenet',
    'resnet18',
    'resnext50_32x4d',
    'resnet20',
    'preact_resnet18',
    'mobilenet_v2',
    'convnext_tiny',
    'densenet121',
]
# Every kind of block and of change between stages; more blocks repeat the same code.
SHALLOW = {
    'resnet18': {'depths': (1, 2, 1, 1)},
    'resnext50_32x4d': {'depths': (1, 2, 1, 1)},
    'resnet20': {'blocks': 2},
    'preact_resnet18': {'depths': (1, 2, 1, 1)},
    'convnext_tiny': {'depths': (1, 2, 1, 1)},
    'densenet121': {'depths': (2, 2, 1, 1)},
}
SIDES = {'alexnet': 67, 'lenet5': 32, 'convnet1': 28, 'quicknet': 28}


MAX_BLUR = MaxBlur()


def network(name: str, downsample=MAX_BLUR, **options):
    """(shapes of params, loss(params, x)) of the small form, in training."""
    side = SIDES.get(name, 32)
    channels = 1 if side == 28 or name == 'lenet5' else 3
    shape = (2, side, side, channels)
    options |= SHALLOW.get(name, {})
    model = build_model(name, downsample=downsample, num_classes=10, **options)
    model = for_images(model, shape[1:])
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    variables = jax.eval_shape(lambda x: model.init(jax.random.key(0), x, train=False), x)
    rest = {k: v for k, v in variables.items() if k != 'params'}

    def loss(params, rest, x):
        rngs = {'dropout': jax.random.key(1), 'downsample': jax.random.key(2)}
        logits, _ = model.apply(
            {'params': params, **rest}, x, train=True, rngs=rngs, mutable=[*rest, 'losses']
        )
        return jnp.sin(logits).sum()

    return variables['params'], rest, x, loss


def product(loss):
    def along_itself(params, rest, x):
        return jax.jvp(lambda p: jax.grad(loss)(p, rest, x), (params,), (params,))[1]

    return along_itself


# Those that take longest to trace have no layer that none of the others has.
@pytest.mark.parametrize(
    'name', sorted({*EVERY_ARCHITECTURE} - {'googlenet', 'mobilenet_v2', 'resnext50_32x4d'})
)
def test_second_derivatives_of_any_batch_are_traced(name):
    """Forward over reverse mode of the whole network, for a symbolic batch."""
    params, rest, x, loss = network(name)
    (batch,) = export.symbolic_shape('batch')
    images = jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
    found = jax.eval_shape(product(loss), params, rest, images)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize('name', EVERY_ARCHITECTURE)
def test_gradients_of_an_empty_batch_are_traced(name):
    params, rest, x, loss = network(name)
    images = jax.ShapeDtypeStruct((0, *x.shape[1:]), x.dtype)
    found = jax.eval_shape(jax.grad(loss), params, rest, images)
    assert jax.tree.map(jnp.shape, found) == jax.tree.map(jnp.shape, params)


@pytest.mark.parametrize('name', ['convnet1', 'resnet18', 'preact_resnet18', 'convnext_tiny'])
def test_gradients_on_an_explicit_mesh_are_traced(name):
    """Not of networks with dropout: Flax draws its mask unsharded and JAX refuses the product."""
    params, rest, x, loss = network(name)
    mesh = jax.make_mesh((2,), ('data',), axis_types=(AxisType.Explicit,))
    with jax.set_mesh(mesh):
        over = jax.NamedSharding(mesh, PartitionSpec('data'))
        split = jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=over)
        jax.jit(jax.grad(loss)).trace(params, rest, split)


def test_a_network_exports_its_gradient_for_any_batch():
    params, rest, x, loss = network('convnet1')
    (batch,) = export.symbolic_shape('batch')
    symbolic = jax.ShapeDtypeStruct((batch, *x.shape[1:]), x.dtype)
    exported = export.export(jax.jit(product(loss)))(params, rest, symbolic)
    back = export.deserialize(exported.serialize())
    assert [a.shape for a in back.out_avals] == [p.shape for p in jax.tree.leaves(params)]


@pytest.mark.parametrize('name', EVERY_ARCHITECTURE)
def test_a_network_in_float64_computes_in_float64_alone(name):
    """Nothing is converted to float32, so nothing in the derivative is either."""
    with jax.enable_x64(True):
        params, rest, x, loss = network(name, dtype=jnp.float64)
        params, rest, x = jax.tree.map(
            lambda s: jax.ShapeDtypeStruct(s.shape, jnp.float64), (params, rest, x)
        )
        program = str(jax.make_jaxpr(loss)(params, rest, x))
    assert 'new_dtype=float32' not in program


def test_hessian_vector_products_of_convnet1_with_max_blur():
    """float64, against central differences of the gradient: to 1e-6 of the largest entry."""
    with jax.enable_x64(True):
        shapes, rest, x, loss = network('convnet1', dtype=jnp.float64)
        rng = np.random.default_rng(0)
        params, along = (
            jax.tree.map(lambda s: rng.normal(size=s.shape) / np.sqrt(s.size), shapes)
            for _ in range(2)
        )
        rest = jax.tree.map(lambda s: np.ones(s.shape), rest)
        images = jnp.asarray(rng.random(x.shape))
        gradient = jax.jit(jax.grad(loss))
        exact = jax.jit(
            lambda p, v: jax.jvp(lambda p: jax.grad(loss)(p, rest, images), (p,), (v,))[1]
        )(params, along)
        step = 1e-6
        up, down = (
            gradient(jax.tree.map(lambda p, v, s=s: p + s * v, params, along), rest, images)
            for s in (step, -step)
        )
        numeric = jax.tree.map(lambda u, d: (u - d) / 2 / step, up, down)
        largest = max(np.abs(leaf).max() for leaf in jax.tree.leaves(exact))
        worst = max(
            np.abs(a - b).max()
            for a, b in zip(jax.tree.leaves(exact), jax.tree.leaves(numeric), strict=True)
        )
        print(f'largest entry {largest:.3g}, largest difference {worst:.3g}')
        assert worst <= 1e-6 * largest


@pytest.mark.parametrize('platform', ['cuda', 'tpu'])
def test_the_training_step_lowers_for_accelerators(platform):
    params, rest, x, loss = network('convnet1', Max())
    optimizer = optax.adam(1e-3)

    def step(params, state, rest, x):
        updates, state = optimizer.update(jax.grad(loss)(params, rest, x), state, params)
        return optax.apply_updates(params, updates), state

    state = jax.eval_shape(optimizer.init, params)
    lowered = jax.jit(step).trace(params, state, rest, x).lower(lowering_platforms=(platform,))
    text = lowered.as_text()
    assert 'stablehlo.convolution' in text
    assert 'scatter' not in text and 'callback' not in text
