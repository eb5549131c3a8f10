"""Value-weighted pooling: gradients, dtypes, extreme values, NaN, compiled programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.ops.importance import ada_pool, detail_preserving_pool, lip_logits, lip_pool
from cnn_jax.ops.ranked import ordinal_pool, rank_average_pool, rank_pool
from cnn_jax.ops.weighted import gem_pool, lse_pool, soft_pool, stochastic_pool

WEIGHTS = jnp.array([0.5, 0.3, 0.15, 0.05])
KERNEL = jnp.linspace(-0.2, 0.4, 18).reshape(3, 3, 2)
CASE = {'window': 2, 'stride': 1, 'padding': 'same'}

OPS = {
    'soft': lambda x: soft_pool(x, **CASE),
    'lse': lambda x: lse_pool(x, r=3.0, **CASE),
    'gem': lambda x: gem_pool(x, p=3, **CASE),
    'stochastic': lambda x: stochastic_pool(x, train=False, **CASE),
    'drawn': lambda x: stochastic_pool(x, train=True, key=jax.random.key(1), **CASE),
    'lip': lambda x: lip_pool(x, x[..., ::-1]),
    'dpp': lambda x: detail_preserving_pool(x),
    'dpp_asymmetric': lambda x: detail_preserving_pool(x, symmetric=False, power=2),
    'dpp_full': lambda x: detail_preserving_pool(x, kernel=KERNEL),
    'ada': lambda x: ada_pool(x, beta=0.4, **CASE),
    'ordinal': lambda x: ordinal_pool(x, WEIGHTS, **CASE),
    'rank': lambda x: rank_pool(x, alpha=0.4, **CASE),
    'rank_average': lambda x: rank_average_pool(x, top=2, **CASE),
}
each_op = pytest.mark.parametrize('op', OPS.values(), ids=OPS)


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


PARAMETERS = {
    'soft': (lambda x: soft_pool(x, **CASE), ()),
    'lse': (lambda x, r: lse_pool(x, r=r, **CASE), ([0.7, 4.0],)),
    'gem': (lambda x, p: gem_pool(x + 3, p=p, **CASE), ([0.6, 3.0],)),
    'gem_clamped': (lambda x, p: gem_pool(x, p=p, **CASE), (2.5,)),
    'stochastic': (lambda x: stochastic_pool(x, train=False, **CASE), ()),
    'lip': (lambda x, logits: lip_pool(x, logits), (normal(5, 1, 3, 4, 2),)),
    'lip_logits': (
        lambda x, k, s, b: lip_pool(x, lip_logits(x, k, s, b)),
        (normal(6, 3, 3, 2, 2), [0.8, 1.2], [0.1, -0.3]),
    ),
    'dpp': (
        lambda x, e, b: detail_preserving_pool(x, power=e, bias=b),
        ([0.6, 3.0], [0.5, 0.01]),
    ),
    'dpp_full': (
        lambda x, e, b, k: detail_preserving_pool(x, power=e, bias=b, kernel=k, symmetric=False),
        (1.5, 0.2, normal(7, 3, 3, 2)),
    ),
    'ada': (lambda x, b: ada_pool(x, beta=b, **CASE), (np.linspace(0.1, 0.9, 12).reshape(3, 4),)),
    'ordinal': (
        lambda x, w: ordinal_pool(x, w, **CASE),
        (np.linspace(0.1, 0.9, 8).reshape(4, 2),),
    ),
    'rank': (lambda x: rank_pool(x, **CASE), ()),
    'rank_average': (lambda x: rank_average_pool(x, **CASE), ()),
}


@pytest.mark.parametrize('op, parameters', PARAMETERS.values(), ids=PARAMETERS)
def test_gradients_are_finite_differences(op, parameters):
    with jax.enable_x64(True):
        arguments = [jnp.asarray(a, jnp.float64) for a in (normal(4, 1, 3, 4, 2), *parameters)]
        y = op(*arguments)
        assert y.dtype == jnp.float64
        g = jnp.asarray(np.random.default_rng(9).normal(size=y.shape))
        loss = jax.jit(lambda *a: (op(*a) * g).sum())
        gradients = jax.jit(jax.grad(loss, tuple(range(len(arguments)))))(*arguments)
        for i, gradient in enumerate(gradients):
            step, expected = 1e-6, np.zeros(gradient.shape)
            for index in np.ndindex(*gradient.shape):
                shift = np.zeros(gradient.shape)
                shift[index] = step
                moved = [arguments[i] + s for s in (shift, -shift)]
                high, low = (loss(*arguments[:i], m, *arguments[i + 1 :]) for m in moved)
                expected[index] = (high - low) / (2 * step)
            np.testing.assert_allclose(gradient, expected, atol=1e-6, rtol=1e-6)
            assert np.abs(expected).max() > 1e-3


@each_op
@pytest.mark.parametrize('dtype', [jnp.float16, jnp.bfloat16, jnp.float32])
def test_large_values_and_zeros_stay_finite_in_their_dtype(op, dtype):
    @jax.jit
    def both(x):
        y, pullback = jax.vjp(op, x)
        return y, *pullback(jnp.ones_like(y))

    mixed = np.random.default_rng(0).choice([-1e4, -1.0, 0.0, 1e-3, 1.0, 1e4], (1, 5, 4, 2))
    for values in (mixed, 0 * mixed, 0 * mixed + 1e4, 0 * mixed - 1e4, 1e-6 * mixed):
        x = jnp.asarray(values, dtype)
        y, dx = both(x)
        assert y.dtype == dtype and dx.dtype == dtype
        assert jnp.isfinite(y).all() and jnp.isfinite(dx).all()


@pytest.mark.parametrize('value', [0.0, 1e4, -1e4])
def test_gradients_to_parameters_are_finite_at_large_values_and_zeros(value):
    x = jnp.full((1, 5, 4, 2), value).at[0, 0, 0].set(0)
    three = jnp.array([3.0, 0.5])
    for op, *parameters in (
        (lambda x, p: gem_pool(x, p=p, **CASE), three),
        (lambda x, r: lse_pool(x, r=r, **CASE), three),
        (
            lambda x, e, b, k: detail_preserving_pool(x, power=e, bias=b, kernel=k),
            *[three] * 2,
            KERNEL,
        ),
        (lambda x, b: ada_pool(x, beta=b, **CASE), jnp.array(0.3)),
        (lambda x, w: ordinal_pool(x, w, **CASE), WEIGHTS),
        (lambda x, k: lip_pool(x, lip_logits(x, k, three, three)), jnp.zeros((3, 3, 2, 2))),
    ):
        gradients = jax.grad(lambda *a, op=op: op(*a).sum(), tuple(range(1 + len(parameters))))
        for gradient in jax.jit(gradients)(x, *parameters):
            assert jnp.isfinite(gradient).all()


@each_op
def test_nan_in_nan_out(op):
    x = jnp.abs(jnp.asarray(normal(0, 1, 6, 6, 2))).at[0, 2, 2, 0].set(jnp.nan)
    op = jax.jit(op)
    clean = np.asarray(op(jnp.where(jnp.isnan(x), 0.0, x)))
    y = np.asarray(op(x))
    at = (0, 1, 1, 0) if y.shape[1] == 3 else (0, 2, 2, 0)
    assert np.isfinite(clean).all() and np.isnan(y[at])
    np.testing.assert_array_equal(y[0, -1, -1], clean[0, -1, -1])


@each_op
def test_jit_equals_eager_and_vmap_a_loop(op):
    x = jnp.asarray(normal(0, 3, 2, 5, 4, 2))
    np.testing.assert_allclose(jax.jit(op)(x[0]), op(x[0]), atol=1e-6)
    gradient = jax.jit(jax.grad(lambda x: (op(x) ** 2).sum()))
    np.testing.assert_allclose(
        jax.vmap(gradient)(x), jnp.stack([gradient(e) for e in x]), atol=1e-5
    )


@each_op
def test_compiled_gradients_hold_no_scatter_gather_or_grouped_convolution(op):
    x = jnp.ones((2, 6, 6, 2))
    text = jax.jit(jax.grad(lambda x: (op(x) ** 2).sum())).lower(x).compile().as_text()
    assert text is not None and ' multiply(' in text
    for name in ('scatter(', 'gather(', 'convolution(', ' sort('):
        assert name not in text
