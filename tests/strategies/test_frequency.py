"""Parameters and strategies of the frequency family."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.layers import Downsample
from cnn_jax.ops.diffstride import diffstride_pool
from cnn_jax.ops.lowpass import afc_pool
from cnn_jax.ops.spectral import asap_pool, flc_pool, spectral_pool
from cnn_jax.strategies import AFC, ASAP, FLC, SITES, DiffStride, Spectral

STRATEGIES = [Spectral, FLC, ASAP, AFC, DiffStride]


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def run(strategy, x, train=True):
    return Downsample(strategy).init_with_output(jax.random.key(0), x, train=train)


@pytest.mark.parametrize('shape', [(28, 28), (14, 7), (1, 6), (5, 1)])
@pytest.mark.parametrize('strategy', STRATEGIES)
def test_a_strategy_halves_a_map_and_rounds_up(strategy, shape):
    y, _ = run(strategy(), normal(2, *shape, 3))
    assert y.shape == (2, -(-shape[0] // 2), -(-shape[1] // 2), 3)
    y, _ = run(strategy(stride=3), normal(2, *shape, 3))
    assert y.shape == (2, -(-shape[0] // 3), -(-shape[1] // 3), 3)


@pytest.mark.parametrize(
    'strategy, op', [(Spectral, spectral_pool), (FLC, flc_pool), (ASAP, asap_pool), (AFC, afc_pool)]
)
def test_a_strategy_is_its_op_and_has_no_parameters(strategy, op):
    x = normal(2, 9, 8, 3)
    for stride in (2, 3):
        y, variables = run(strategy(stride=stride), x)
        np.testing.assert_array_equal(y, op(x, stride=stride))
        assert not variables


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_a_strategy_is_the_same_in_training_and_at_every_site(strategy):
    x = normal(2, 9, 8, 3)
    np.testing.assert_array_equal(run(strategy(), x, train=True)[0], run(strategy(), x, False)[0])
    assert all(strategy().at(site) == strategy() for site in SITES)
    assert strategy().conv_stride == 1 and not strategy().one_for_all


@pytest.mark.parametrize('stride', [0, -1, 2.0, True, 17])
@pytest.mark.parametrize('strategy', STRATEGIES)
def test_stride_is_checked_when_the_config_is_made(strategy, stride, unchecked):
    with pytest.raises(BadInput, match='stride must be an int from 1 to 16; got'):
        strategy(stride=stride)


@pytest.mark.parametrize('smoothness', [0, -1.0, float('inf'), float('nan'), '4'])
def test_smoothness_is_checked_when_the_config_is_made(smoothness, unchecked):
    with pytest.raises(BadInput, match='smoothness must be a number above 0; got'):
        DiffStride(smoothness=smoothness)


def test_diffstride_starts_at_its_stride_and_passes_its_fields_on():
    x = normal(2, 10, 9, 3)
    y, variables = run(DiffStride(stride=3, smoothness=1.5), x)
    assert variables['params']['strides'].tolist() == [3.0, 3.0]
    assert variables['params']['strides'].dtype == jnp.float32
    np.testing.assert_array_equal(
        y, diffstride_pool(x, jnp.array([3.0, 3.0]), stride=3, smoothness=1.5)
    )


def test_diffstride_uses_what_it_has_learned_and_keeps_its_grid():
    x, strides = normal(2, 10, 9, 3), jnp.array([4.5, 1.2])
    y = Downsample(DiffStride()).apply({'params': {'strides': strides}}, x, train=False)
    np.testing.assert_array_equal(y, diffstride_pool(x, strides))
    assert y.shape == (2, 5, 5, 3)


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16])
def test_strides_stay_float32_and_the_map_its_dtype(dtype):
    y, variables = run(DiffStride(), jnp.ones((1, 4, 4, 2), dtype))
    assert y.dtype == dtype and variables['params']['strides'].dtype == jnp.float32


@pytest.mark.parametrize('size', [8, 7])
@pytest.mark.parametrize('start', [0.9, 0.3, -1.0])
def test_diffstride_does_not_stick_below_one(start, size):
    """The loss asks for a blur; the strides pass over 1 and go on up."""
    x = normal(1, size, size, 2)
    layer = Downsample(DiffStride(stride=1, smoothness=2.0))
    strides = jnp.array([start, start])

    def pooled(strides):
        return jnp.asarray(layer.apply({'params': {'strides': strides}}, x, train=False))

    gradient = jax.jit(jax.grad(lambda strides: (pooled(strides) ** 2).mean()))

    assert (gradient(strides) > 0).all()  # down is up on the other side
    for _ in range(60):
        strides = strides - 0.5 * gradient(strides)
    mirrored, first = pooled(strides), pooled(jnp.array([start, start]))
    assert (mirrored**2).mean() < 0.9 * (first**2).mean()
    least = size / (2 * (size // 2))
    above = diffstride_pool(x, 2 * least - strides, stride=1, smoothness=2.0)
    np.testing.assert_allclose(mirrored, above, atol=1e-5)
