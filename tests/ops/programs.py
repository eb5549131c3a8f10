"""One small call of every public op, and of each of its code paths, for the contract tests.

`python -m pytest tests/ops/test_derivatives.py tests/ops/test_programs.py tests/ops/test_meshes.py
-v` prints the matrix of ops and transformations.

A program is a function of float arrays, the map first, each of which may vary.
"""

import zlib
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax import ops

BATCH, HEIGHT, WIDTH, CHANNELS = 6, 8, 4, 2  # no other first axis of an array is 6
MAP = (BATCH, HEIGHT, WIDTH, CHANNELS)
HALF = (BATCH, HEIGHT // 2, WIDTH // 2)
KEY = jax.random.key(7)


class Program(NamedTuple):
    """`function(*arrays)` of arrays with these shapes."""

    function: Callable
    shapes: tuple[tuple[int, ...], ...] = (MAP,)


def lps(x, logits, **options):
    weights = ops.lps_weights(logits, train=True, mode='convex')
    return ops.lps_pool(x, weights, **options)


def lps_scores(x, kernel, bias, mixing):
    return ops.lps_logits(ops.lps_components(x, filter_size=3), kernel, bias, mixing)


def aps_unpool(y):
    return ops.aps_unpool(y, jnp.arange(y.shape[0]) % 4)


def max_unpool(x):
    windows = {'window': (3, 1), 'stride': (2, 2), 'padding': ((1, 0), (0, 0))}
    return ops.max_unpool(*ops.max_pool_with_places(x, **windows), **windows, size=MAP[1:3])


def tips(x, kernel, scale):
    features = ops.tips_features(x, kernel)
    weights = ops.tips_weights(features, scale)
    fixed = jnp.full_like(features, 0.3)  # it gets no gradient, so finite differences need it
    losses = ops.tips_mixing_loss(weights) + ops.tips_undo_loss(features, fixed, KEY)
    return ops.tips_pool(x, kernel, scale) + losses.astype(x.dtype)


def drawn(x):
    return ops.stochastic_pool(jnp.abs(x), window=2, train=True, key=KEY)


def fractional_max(x):
    samples = (jnp.arange(x.shape[0] * CHANNELS * 2, dtype=jnp.float32) * 0.37 % 1).reshape(
        -1, CHANNELS, 2
    )
    return ops.fractional_max_pool(x, samples, size=(5, 3))


def normalised(x, scale, bias):
    y, mean, variance = ops.batch_norm(x, scale, bias)
    return y * (mean + variance).astype(x.dtype)


def lip(x, kernel, scale, bias):
    return ops.lip_pool(x, ops.lip_logits(x, kernel, scale, bias))


ONE, EACH = (), (CHANNELS,)
DENSE = (3, 3, CHANNELS, 3)
WINDOW = {'window': 2}
OVERLAP = {'window': 3, 'stride': 2, 'padding': 'same'}

PROGRAMS: dict[str, Program] = {
    'max_pool, apart': Program(partial(ops.max_pool, **WINDOW)),
    'max_pool, gaps': Program(partial(ops.max_pool, window=2, stride=3)),
    'max_pool, overlapping': Program(partial(ops.max_pool, **OVERLAP)),
    'max_pool, stride 1': Program(partial(ops.max_pool, window=3, stride=1)),
    'max_pool, paired': Program(partial(ops.max_pool, window=2, stride=1)),
    'max_pool, per axis': Program(partial(ops.max_pool, window=4, stride=1)),
    'max_pool, circular': Program(partial(ops.max_pool, **OVERLAP, fill='circular')),
    'max_unpool': Program(max_unpool),
    'min_pool': Program(partial(ops.min_pool, **OVERLAP)),
    'avg_pool': Program(partial(ops.avg_pool, **OVERLAP)),
    'sum_pool': Program(partial(ops.sum_pool, window=2, ceil_mode=True)),
    'gaussian_pool': Program(partial(ops.gaussian_pool, **OVERLAP, fill='reflect')),
    'fractional_max_pool': Program(fractional_max),
    's3_pool': Program(partial(ops.s3_pool, train=False)),
    's3_pool, training': Program(partial(ops.s3_pool, train=True, key=KEY)),
    'subsample': Program(partial(ops.subsample, stride=2)),
    'lp_pool': Program(partial(ops.lp_pool, **OVERLAP, p=3.0)),
    'median_pool': Program(partial(ops.median_pool, window=3, stride=1)),
    'adaptive_avg_pool': Program(partial(ops.adaptive_avg_pool, size=3)),
    'adaptive_max_pool': Program(partial(ops.adaptive_max_pool, size=3)),
    'global_avg_pool': Program(ops.global_avg_pool),
    'global_max_pool': Program(ops.global_max_pool),
    'space_to_depth': Program(ops.space_to_depth),
    'haar_bands': Program(ops.haar_bands),
    'blur_pool': Program(ops.blur_pool),
    'blur_pool, per axis': Program(partial(ops.blur_pool, filter_size=4, padding='circular')),
    'max_blur_pool': Program(ops.max_blur_pool),
    'avg_blur_pool': Program(ops.avg_blur_pool),
    'learned_blur_pool': Program(ops.learned_blur_pool, (MAP, (3, 3, CHANNELS))),
    'adaptive_blur_pool': Program(ops.adaptive_blur_pool, (MAP, (*HALF, 2 * 9))),
    'edge_aware_blur': Program(ops.edge_aware_blur),
    'soft_pool': Program(partial(ops.soft_pool, **OVERLAP)),
    'lse_pool': Program(lambda x, r: ops.lse_pool(x, **OVERLAP, r=jnp.exp(r)), (MAP, EACH)),
    'gem_pool': Program(
        lambda x, p: ops.gem_pool(jnp.abs(x), **OVERLAP, p=jnp.exp(p)), (MAP, EACH)
    ),
    'stochastic_pool': Program(partial(ops.stochastic_pool, **WINDOW, train=False)),
    'stochastic_pool, training': Program(drawn),
    'lip_pool': Program(lip, (MAP, (3, 3, CHANNELS, CHANNELS), EACH, EACH)),
    'detail_preserving_pool': Program(
        lambda x, power, bias, kernel: ops.detail_preserving_pool(
            x, power=jnp.exp(power), bias=jnp.exp(bias), kernel=kernel
        ),
        (MAP, EACH, EACH, (3, 3, CHANNELS)),
    ),
    'ada_pool': Program(
        lambda x, beta: ops.ada_pool(x, **WINDOW, beta=beta), (MAP, (HEIGHT // 2, WIDTH // 2))
    ),
    'ordinal_pool': Program(
        lambda x, w: ops.ordinal_pool(x, jnp.exp(w), **WINDOW), (MAP, (4, CHANNELS))
    ),
    'rank_pool': Program(partial(ops.rank_pool, **WINDOW, normalise=True)),
    'rank_average_pool': Program(partial(ops.rank_average_pool, **WINDOW)),
    'mixed_pool': Program(lambda x, alpha: ops.mixed_pool(x, **WINDOW, alpha=alpha), (MAP, EACH)),
    'gated_pool': Program(lambda x, w: ops.gated_pool(x, w, **WINDOW), (MAP, (4, CHANNELS))),
    'tree_pool': Program(
        lambda x, filters, gates: ops.tree_pool(x, filters, gates, **WINDOW),
        (MAP, (4, 4), (3, 4)),
    ),
    'aps_pool': Program(partial(ops.aps_pool, filter_size=3)),
    'aps_unpool': Program(aps_unpool),
    'polyphase_components': Program(ops.polyphase_components),
    'lps_pool': Program(partial(lps, filter_size=3), (MAP, (BATCH, 4))),
    'lps_logits': Program(lps_scores, (MAP, DENSE, (3,), (3, 3, 3, 1))),
    'lps_unpool': Program(ops.lps_unpool, (MAP, (BATCH, 4))),
    'tips_pool': Program(tips, (MAP, (3, 3, CHANNELS), EACH)),
    'spectral_pool': Program(ops.spectral_pool),
    'flc_pool': Program(ops.flc_pool),
    'asap_pool': Program(ops.asap_pool),
    'afc_pool': Program(ops.afc_pool),
    'diffstride_pool': Program(
        lambda x, s: ops.diffstride_pool(x, 2.3 + s / 8, smoothness=1.3), (MAP, (2,))
    ),
    'ideal_lowpass': Program(partial(ops.ideal_lowpass, cutoff=0.5)),
    'ideal_upsample': Program(ops.ideal_upsample),
    'polynomial_activation': Program(ops.polynomial_activation, (MAP, (3, CHANNELS))),
    'upsample_blur': Program(partial(ops.upsample_blur, filter_size=4)),
    'soft_argmax': Program(ops.soft_argmax),
    'batch_norm': Program(
        normalised,
        (MAP, EACH, EACH),
    ),
    'conv, lax': Program(ops.conv, (MAP, DENSE)),
    'conv, circular': Program(partial(ops.conv, fill='circular'), (MAP, DENSE)),
    'conv, blocks': Program(ops.conv, ((*MAP[:3], 1), (3, 3, 1, 3))),
    'conv, taps': Program(partial(ops.conv, groups=CHANNELS), (MAP, (3, 3, 1, CHANNELS))),
    'conv, bundles': Program(partial(ops.conv, groups=2, stride=2), ((*MAP[:3], 4), (3, 3, 2, 4))),
    'conv, tiles': Program(ops.conv, ((BATCH, 6, 6, 32), (3, 3, 32, 32))),
    'conv, columns': Program(ops.conv, (MAP, (1, 1, CHANNELS, 3))),
    'conv_transpose': Program(ops.conv_transpose, (MAP, (3, 3, CHANNELS, 3))),
    'conv, positions': Program(ops.conv, ((BATCH, 2, 2, 2), (3, 3, 2, 3))),
}
NOT_OF_MAPS = {
    'bilinear_kernel',
    'max_pool_with_places',  # within max_unpool
    'aps_upsample',  # aps_unpool and a filter; tests/ops/test_upsample.py has it
    'lps_upsample',
    'upsample_bilinear',  # upsample_blur with other weights
    'upsample_nearest',
    'aps_index',  # whole numbers
    'wavelet_filter',
    'binomial_filter',
    'binomial_logits',
    'conv_parameters',
    'fourier_shift',  # of jnp alone
    'shift_images',  # of pixels
    'output_size',
    'lip_logits',  # within lip_pool, as lps_components and the parts of tips_pool within theirs
    'lps_components',
    'lps_weights',
    'tips_features',
    'tips_mixing_loss',
    'tips_undo_loss',
    'tips_weights',
}


def arrays_of(name: str, dtype=np.float64, *, batch: int | None = None) -> list[np.ndarray]:
    """Values without ties, the same at each call; `batch` examples where an axis is the batch."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    arrays = []
    for shape in PROGRAMS[name].shapes:
        values = rng.permutation(np.prod(shape, dtype=int)) / np.prod(shape) * 4 - 2
        array = (values + 0.01).reshape(shape)
        if batch is not None and shape[:1] == (BATCH,):
            array = np.resize(array, (batch, *shape[1:]))
        arrays.append(array.astype(dtype))
    return arrays


every_program = pytest.mark.parametrize('name', PROGRAMS)


def loss_of(function):
    """A scalar with second derivatives, of the results weighted differently."""

    def loss(*arrays):
        y = function(*arrays)
        weights = jnp.cos(jnp.arange(y.size, dtype=jnp.float32)).reshape(y.shape)
        return (weights.astype(y.dtype) * jnp.sin(y)).sum()

    return loss


def compiled(function, *arguments):
    """Without optimisation, which takes longer than these small programs run."""
    fast = {'xla_backend_optimization_level': 0, 'xla_llvm_disable_expensive_passes': True}
    return jax.jit(function).lower(*arguments).compile(compiler_options=fast)


def run_compiled(function, *arguments):
    """The results of `compiled`."""
    return compiled(function, *arguments)(*arguments)


def assert_close(actual, expected, tolerance=1e-9):
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
