"""What every op in the frequency domain guarantees: gradients, dtypes, NaN, transforms, errors."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.ops.diffstride import diffstride_pool
from cnn_jax.ops.fourier import apply_axis_matrices
from cnn_jax.ops.lowpass import afc_pool, ideal_lowpass, ideal_upsample, polynomial_activation
from cnn_jax.ops.spectral import asap_pool, flc_pool, spectral_pool

SQUARE = jnp.array([[0.1, 0.0, -0.3], [0.5, 1.0, 0.2], [0.3, -0.4, 0.8]])
LEARNED = jnp.array([2.3, 1.7])


def learned_pool(x, stride=2):
    return diffstride_pool(x, LEARNED.astype(jnp.promote_types(x.dtype, np.float32)), stride=stride)


def parabola(x):
    coefficients = SQUARE[:, : x.shape[-1]].astype(jnp.promote_types(x.dtype, np.float32))
    return polynomial_activation(x, coefficients, in_scale=0.7)


POOLS = [spectral_pool, flc_pool, asap_pool, afc_pool, learned_pool]
OTHERS = [partial(ideal_lowpass, cutoff=0.5), ideal_upsample, parabola]
NAMES = [*(p.__name__ for p in POOLS), 'ideal_lowpass', 'ideal_upsample', 'parabola']
every_op = pytest.mark.parametrize('op', [*POOLS, *OTHERS], ids=NAMES)


def normal(*shape, dtype=np.float32):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)


def finite_differences(f, x, step=1e-6):
    x, gradient = np.asarray(x), np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += step
        down[i] -= step
        gradient[i] = (f(up) - f(down)) / (2 * step)
    return gradient


@pytest.mark.parametrize('shape', [(1, 6, 5, 1), (1, 8, 4, 2), (1, 1, 3, 1)])
@every_op
def test_gradient_is_exact(op, shape):
    with jax.enable_x64(True):

        def loss(x):
            return (op(x) ** 3).sum()

        x = normal(*shape, dtype=np.float64)
        gradient = jax.jit(jax.grad(loss))(x)
        assert gradient.dtype == np.float64
        np.testing.assert_allclose(
            gradient, finite_differences(jax.jit(loss), x), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize('shape', [(1, 9, 7, 2), (1, 10, 12, 1)])
def test_gradient_of_the_learned_strides_is_exact(shape):
    with jax.enable_x64(True):
        x = normal(*shape, dtype=np.float64)

        def loss(strides):
            return (diffstride_pool(x, strides, smoothness=2.3) ** 2).sum()

        for strides in (jnp.array([1.31, 2.17]), jnp.array([4.03, 0.6])):
            gradient = jax.grad(loss)(strides)
            expected = finite_differences(jax.jit(loss), strides)
            np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6)
            assert np.abs(expected[0]) > 1e-3


def test_gradient_of_the_activation_s_parameters_is_exact():
    with jax.enable_x64(True):
        x = normal(1, 4, 5, 2, dtype=np.float64)

        def loss(parameters):
            coefficients = parameters[:8].reshape(4, 2)
            y = polynomial_activation(
                x, coefficients, in_scale=parameters[8], out_scale=parameters[9]
            )
            return (y**2).sum()

        parameters = normal(10, dtype=np.float64)
        np.testing.assert_allclose(
            jax.grad(loss)(parameters),
            finite_differences(jax.jit(loss), parameters),
            rtol=1e-5,
            atol=1e-6,
        )


def assert_plain(program):
    """No indexed, complex or grouped instruction in the compiled program."""
    found = re.findall(r' (scatter|select-and-scatter|gather|fft)\(', program)
    assert not found and 'c64[' not in program and 'feature_group_count' not in program
    assert ' dot(' in program


@every_op
def test_the_compiled_gradient_is_matrix_products_of_real_numbers(op):
    x = jnp.zeros((2, 8, 6, 3))
    assert_plain(jax.jit(jax.grad(lambda x: (op(x) ** 2).sum())).lower(x).compile().as_text())


def test_so_are_the_compiled_gradients_of_the_parameters():
    x = jnp.zeros((2, 8, 6, 3))

    def loss(strides, coefficients):
        y = diffstride_pool(polynomial_activation(x, coefficients), strides)
        return (y**2).sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)))
    assert_plain(gradient.lower(LEARNED, SQUARE).compile().as_text())


@every_op
def test_jit_is_eager_and_vmap_is_a_loop(op):
    x = jnp.asarray(normal(3, 1, 5, 8, 2))
    gradient = jax.grad(lambda x: (op(x) ** 2).sum())
    np.testing.assert_allclose(jax.jit(op)(x[0]), op(x[0]), atol=1e-6)
    np.testing.assert_allclose(
        jax.vmap(gradient)(x), jnp.stack([gradient(e) for e in x]), atol=1e-5
    )


@pytest.mark.parametrize('dtype', [jnp.bfloat16, jnp.float16, jnp.float32])
@every_op
def test_dtype_is_kept_and_narrow_floats_are_computed_in_float32(op, dtype):
    x = jnp.asarray(normal(1, 7, 8, 2), dtype)
    y, pullback = jax.vjp(op, x)
    assert y.dtype == dtype and pullback(y)[0].dtype == dtype
    exact = op(x.astype(jnp.float32)).astype(dtype)
    same = np.asarray(y, np.float32) == np.asarray(exact, np.float32)
    assert same.mean() > 0.95  # the rest may round the other way


@every_op
def test_nan_in_nan_out_in_its_image_and_channel_alone(op):
    x = jnp.ones((2, 5, 4, 2)).at[1, 2, 3, 0].set(jnp.nan)
    nan = np.isnan(op(x))
    assert nan[1, :, :, 0].all() and not nan[0].any() and not nan[1, :, :, 1].any()


def test_matrices_are_applied_per_axis_and_terms_add():
    x, rows, columns = normal(2, 3, 4, 5), normal(2, 6, 3), normal(2, 7, 4)
    expected = np.einsum('tph,tqw,bhwc->bpqc', rows, columns, x)
    np.testing.assert_allclose(apply_axis_matrices(x, rows, columns), expected, atol=1e-5)


@pytest.mark.parametrize(
    'op, options, said',
    [
        (spectral_pool, {'stride': 0}, 'stride must be an int of at least 1; got 0'),
        (spectral_pool, {'stride': (2, 2, 2)}, 'stride must be an int or 2 ints'),
        (spectral_pool, {'size': 0}, 'size must be an int of at least 1; got 0'),
        (spectral_pool, {'size': (4, 5)}, r'at most the feature map \(4, 4\); got \(4, 5\)'),
        (flc_pool, {'stride': 1.5}, 'stride must be an int of at least 1; got 1.5'),
        (asap_pool, {'stride': -1}, 'stride must be an int of at least 1; got -1'),
        (afc_pool, {'stride': 0}, 'stride must be an int of at least 1; got 0'),
        (ideal_lowpass, {'cutoff': 0.0}, 'cutoff must be .* above 0 and at most 1; got 0.0'),
        (ideal_lowpass, {'cutoff': 1.5}, 'cutoff must be .* at most 1; got 1.5'),
        (ideal_lowpass, {'cutoff': float('nan')}, 'cutoff must be .*; got nan'),
        (ideal_upsample, {'factor': 0}, 'factor must be an int of at least 1; got 0'),
        (
            polynomial_activation,
            {'coefficients': jnp.ones((3, 2))},
            r'coefficients must be \(degree \+ 1, 1\).*got shape \(3, 2\)',
        ),
        (
            polynomial_activation,
            {'coefficients': jnp.ones((3, 1)), 'factor': 0},
            'factor must be an int of at least 1; got 0',
        ),
        (diffstride_pool, {'strides': jnp.ones(3)}, r'strides must be 2 numbers.*\(3,\)'),
        (
            diffstride_pool,
            {'strides': jnp.ones(2), 'smoothness': 0.0},
            'smoothness must be a finite number above 0; got 0.0',
        ),
        (diffstride_pool, {'strides': jnp.ones(2), 'size': 5}, 'size must be at most'),
    ],
)
def test_bad_arguments_say_what_is_allowed(op, options, said, unchecked):
    with pytest.raises(ValueError, match=said) as error:
        op(jnp.zeros((1, 4, 4, 1)), **options)
    assert '\n' not in str(error.value)


@pytest.mark.parametrize(
    'x, said',
    [
        (jnp.zeros((1, 4, 1)), 'is 2-D only'),
        (jnp.zeros((1, 4, 4, 4, 1)), 'is 2-D only'),
        (jnp.zeros((1, 4, 4, 1), jnp.int32), 'x must hold floats'),
        (jnp.zeros((1, 0, 4, 1)), 'x must not be empty'),
        ([1.0], 'x must be an array'),
    ],
)
@every_op
def test_bad_maps_are_refused(op, x, said, unchecked):
    options = {}
    if op in (parabola, learned_pool):
        call = polynomial_activation if op is parabola else diffstride_pool
        op = partial(call, **{'coefficients' if op is parabola else 'strides': jnp.ones((2,))})
    with pytest.raises(ValueError, match=said):
        op(x, **options)
