"""Downsampling in the frequency domain against NumPy's FFT, at generated sizes."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import strategies as st

from cnn_jax.ops.diffstride import diffstride_pool
from cnn_jax.ops.lowpass import afc_pool, ideal_lowpass, ideal_upsample, polynomial_activation
from cnn_jax.ops.spectral import asap_pool, flc_pool, spectral_pool
from tests.cases import compiled, draw_values, generated, maps
from tests.oracles import frequency as oracles

SQUARE = jnp.array([[0.1, 0.0, -0.3], [0.5, 1.0, 0.2], [0.3, -0.4, 0.8]])
STRIDES = st.tuples(st.integers(1, 5), st.integers(1, 5))
LEARNED = jnp.array([2.3, 1.7])


def learned_pool(x, stride=2):
    return diffstride_pool(x, LEARNED.astype(jnp.promote_types(x.dtype, np.float32)), stride=stride)


def parabola(x):
    coefficients = SQUARE[:, : x.shape[-1]].astype(jnp.promote_types(x.dtype, np.float32))
    return polynomial_activation(x, coefficients, in_scale=0.7)


POOLS = [spectral_pool, flc_pool, asap_pool, afc_pool, learned_pool]
every_pool = pytest.mark.parametrize('pool', POOLS)


def normal(*shape):
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), np.float32)


@st.composite
def with_sizes(draw):
    x = draw(maps())
    return x, tuple(draw(st.integers(1, n)) for n in x.shape[1:3])


@generated(with_sizes())
def test_spectral_pool_is_the_oracle_at_every_size_and_real(case):
    x, size = case
    expected = oracles.spectral_pool(x, size)
    assert np.abs(expected.imag).max() < 1e-12
    np.testing.assert_allclose(compiled(spectral_pool, x, size=size), expected.real, atol=1e-5)


@generated(maps(), STRIDES)
def test_spectral_pool_by_stride_rounds_up(x, stride):
    y = compiled(spectral_pool, x, stride=stride)
    expected = oracles.spectral_pool(x, oracles.ceil_sizes(x, stride)).real
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('n', range(1, 21))
def test_on_one_axis_the_nyquist_bin_of_spectral_pool_is_made_real(n):
    x = normal(1, n, 1, 1)
    m = -(-n // 2)
    bins = np.fft.fft(np.float64(x[0, :, 0, 0]))[(np.arange(m) - m // 2) % n] / n
    if m % 2 == 0:
        bins[0] = bins[0].real
    y = np.fft.ifft(np.fft.ifftshift(bins)) * m
    assert np.abs(y.imag).max() < 1e-12
    np.testing.assert_allclose(spectral_pool(x)[0, :, 0, 0], y.real, atol=1e-5)


@generated(maps(), STRIDES)
def test_flc_pool_is_the_oracle(x, stride):
    y = compiled(flc_pool, x, stride=stride)
    np.testing.assert_allclose(y, oracles.flc_pool(x, stride), atol=1e-5)


@generated(maps(), STRIDES)
def test_asap_pool_is_the_oracle(x, stride):
    y = compiled(asap_pool, x, stride=stride)
    np.testing.assert_allclose(y, oracles.asap_pool(x, stride), atol=1e-5)


@generated(maps(), STRIDES)
def test_afc_pool_is_the_oracle(x, stride):
    y = compiled(afc_pool, x, stride=stride)
    np.testing.assert_allclose(y, oracles.afc_pool(x, stride), atol=1e-5)


@generated(maps(), st.fractions(0, 1, max_denominator=6).filter(bool))
def test_ideal_lowpass_is_the_oracle_for_bins_on_the_cutoff_too(x, cutoff):
    y = compiled(ideal_lowpass, x, cutoff=float(cutoff))
    np.testing.assert_allclose(y, oracles.ideal_lowpass(x, cutoff), atol=1e-5)


def test_a_bin_on_the_cutoff_goes_though_the_cutoff_is_rounded_up():
    assert 84 * (9 / 14) / 2 > 27
    x = jnp.cos(2 * jnp.pi * 27 * jnp.arange(84) / 84).reshape(1, 84, 1, 1)
    np.testing.assert_allclose(ideal_lowpass(x, cutoff=9 / 14), 0, atol=1e-5)


@generated(maps(), STRIDES)
def test_ideal_upsample_is_the_oracle_and_keeps_the_elements(x, factor):
    y = compiled(ideal_upsample, x, factor=factor)
    np.testing.assert_allclose(y, oracles.ideal_upsample(x, factor), atol=1e-5)
    np.testing.assert_allclose(y[:, :: factor[0], :: factor[1]], x, atol=1e-5)


@st.composite
def activations(draw):
    x = draw(maps(most=8))
    return x, draw_values(draw, (draw(st.integers(1, 5)), x.shape[-1])), draw(st.integers(1, 3))


@generated(activations())
def test_polynomial_activation_is_the_oracle_at_every_degree(case):
    x, coefficients, factor = case
    options = {'in_scale': 0.9, 'out_scale': -1.5, 'factor': factor}
    y = compiled(polynomial_activation, x, coefficients=jnp.asarray(coefficients), **options)
    expected = oracles.polynomial_activation(x, coefficients, **options)
    np.testing.assert_allclose(y, expected, atol=1e-5 * max(1, np.abs(expected).max()))


@st.composite
def learned(draw):
    x, size = draw(with_sizes())
    if draw(st.booleans()):
        size = tuple(-(-n // 2) for n in x.shape[1:3])
    strides = np.array([draw(st.floats(-2, 8, width=32)) for _ in range(2)], np.float32)
    return x[:, :8, :8], tuple(min(m, 8) for m in size), strides, draw(st.floats(0.25, 6))


@generated(learned())
def test_diffstride_pool_is_the_oracle(case):
    x, size, strides, smoothness = case
    y = compiled(diffstride_pool, x, strides=jnp.asarray(strides), size=size, smoothness=smoothness)
    expected = oracles.diffstride_pool(x, strides.astype(float), size, smoothness)
    np.testing.assert_allclose(y, expected, atol=2e-5)


def test_diffstride_is_a_filter_and_subsampling_where_the_stride_divides_the_map():
    x = normal(2, 12, 8, 3)
    rows, columns = (
        np.array([oracles.ramp(n, s, 1.5)[min(k, n - k)] for k in range(n)])
        for n, s in ((12, 2.5), (8, 3.1))
    )
    expected = oracles.filtered(x, rows, columns)[:, ::2, ::2]
    y = diffstride_pool(x, jnp.array([2.5, 3.1]), smoothness=1.5)
    np.testing.assert_allclose(y, expected, atol=1e-5)


def test_diffstride_is_the_papers_crop_where_the_grid_holds_all_of_the_mask():
    x = normal(1, 32, 40, 2)
    size = (32 // 4 + 2 * 3 + 1, 40 // 4 + 2 * 3 + 1)  # odd: no Nyquist bin
    kept = oracles.spectrum(x)
    for axis, (n, m) in enumerate(zip(x.shape[1:3], size, strict=True), 1):
        mask = np.array([oracles.ramp(n, 4, 3)[min(k, n - k)] for k in range(n)])
        assert (mask[m // 2 + 1 : n - m // 2] == 0).all()
        shape = [1] * 4
        shape[axis] = n
        kept = np.delete(kept * mask.reshape(shape), range(m // 2 + 1, n - m // 2), axis)
    y = diffstride_pool(x, jnp.array([4.0, 4.0]), size=size, smoothness=3.0)
    np.testing.assert_allclose(y, oracles.signal(kept).real, atol=1e-5)


def test_diffstride_with_a_steep_mask_is_spectral_pooling():
    x = normal(1, 10, 15, 2)
    y = diffstride_pool(x, jnp.array([2.0, 3.0]), stride=(2, 3), smoothness=0.1)
    np.testing.assert_allclose(y, spectral_pool(x, stride=(2, 3)), atol=1e-5)


def test_the_learned_strides_have_a_gradient_where_they_start():
    @jax.jit
    @jax.grad
    def gradient_at(strides, x):
        return (diffstride_pool(x, strides) ** 2).sum()

    for n in (4, 7, 28):
        gradient = gradient_at(jnp.array([2.0, 2.0]), normal(1, n, n, 1))
        assert np.isfinite(gradient).all() and (np.abs(gradient) > 1e-4).all()


@pytest.mark.parametrize('n', range(1, 11))  # and widths 20 to 11
@every_pool
def test_constants_keep_their_value_at_every_size(pool, n):
    x, strides = jnp.full((1, n, 21 - n, 1), 3.0), (1, 2, 3)
    for stride, y in zip(
        strides, jax.jit(lambda x: [pool(x, stride=s) for s in strides])(x), strict=True
    ):
        assert y.shape == (1, -(-n // stride), -(-(21 - n) // stride), 1)
        np.testing.assert_allclose(y, 3.0, rtol=1e-5)


@every_pool
def test_the_mean_is_kept_where_the_stride_divides_the_map(pool):
    x = normal(2, 12, 20, 3)
    if pool is learned_pool:  # bins that fold onto bin 0 must be off its mask
        x = ideal_lowpass(x, cutoff=0.9)
    np.testing.assert_allclose(pool(x).mean((1, 2)), x.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize('pool', [spectral_pool, flc_pool, afc_pool])
def test_stride_1_changes_nothing(pool):
    x = normal(1, 6, 5, 2)
    np.testing.assert_allclose(pool(x, stride=1), x, atol=1e-5)


@pytest.mark.parametrize('pool', [spectral_pool, flc_pool])
def test_known_answer(pool):
    x = jnp.arange(1.0, 17.0).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(pool(x)[0, :, :, 0], [[6, 7], [10, 11]], rtol=1e-6)


def test_flc_and_spectral_differ_only_by_the_product_of_the_nyquist_bins():
    for shape, same in (((8, 8), False), ((8, 6), True), ((6, 8), True), ((8, 1), True)):
        x = normal(1, *shape, 1)
        assert np.allclose(flc_pool(x), spectral_pool(x), atol=1e-5) == same


@pytest.mark.parametrize('n', range(4, 33, 2))
def test_afc_commutes_with_every_circular_shift(n):
    x = np.asarray(normal(1, n, n, 1))

    def shifted(x):
        """A batch of x moved down by 0, 1, ... n - 1."""
        return jnp.concatenate([np.roll(x, shift, 1) for shift in range(n)])

    @jax.jit
    def results(x):
        y = afc_pool(x)
        return ideal_lowpass(x, cutoff=0.5), y, ideal_upsample(y, factor=2)

    low, y, between = results(shifted(x))
    np.testing.assert_allclose(low, shifted(low[:1]), atol=1e-5)
    np.testing.assert_allclose(y[::2], shifted(y[:1])[: n // 2], atol=1e-5)
    np.testing.assert_allclose(y, shifted(between[:1])[:, ::2, ::2], atol=1e-5)
    magnitude = np.abs(oracles.spectrum(y))
    np.testing.assert_allclose(magnitude, np.broadcast_to(magnitude[:1], y.shape), atol=1e-6)


@pytest.mark.parametrize('n', [4, 5, 8, 12])
def test_the_parabola_does_not_alias(n):
    """It commutes with half-pixel shifts, which a parabola of each element alone does not."""
    x = ideal_lowpass(normal(1, n, n, 2), cutoff=1 - 1e-3)

    def half_pixel(x):
        return jnp.roll(ideal_upsample(x, factor=2), 1, 1)[:, ::2, ::2]

    def pointwise(x):
        return SQUARE[0, :2] + SQUARE[1, :2] * 0.7 * x + SQUARE[2, :2] * (0.7 * x) ** 2

    np.testing.assert_allclose(parabola(half_pixel(x)), half_pixel(parabola(x)), atol=1e-5)
    assert np.abs(pointwise(half_pixel(x)) - half_pixel(pointwise(x))).max() > 1e-2


def test_fractions_of_the_oracle_are_exact():
    assert oracles.keep_below(12, Fraction(1, 3)).tolist() == [1, 1, *[0] * 9, 1]
