"""The preconditions that `AFC` states: with all of them the logits are shift-invariant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.models import build_model
from cnn_jax.ops import fourier_shift
from cnn_jax.ops.lowpass import ideal_lowpass
from cnn_jax.strategies import strategy_named

SIDE = 32
STATED = {
    'activation': 'quadratic',
    'norm': 'map_layer',
    'fill': 'circular',
    'unstrided_stem': True,
    'depths': (1, 1),
    'features': (8, 16),
}


def largest_changes(strategy='afc', **options):
    """How far the logits of ConvNeXt's form for large images move: by rolls, by half a pixel.

    In shares of their largest size, in float64, on images below the Nyquist frequency.
    """
    with jax.enable_x64(True):
        options = {'downsample': strategy_named(strategy), 'num_classes': 5} | STATED | options
        model = build_model('convnext_tiny', dtype=jnp.float64, **options)
        rng = np.random.default_rng(0)
        images = ideal_lowpass(jnp.asarray(rng.normal(size=(2, SIDE, SIDE, 3))), cutoff=0.9)
        shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), images, train=False))

        def draw(path, leaf):
            """Blocks of full weight, so that what they do is seen."""
            fan = np.prod(leaf.shape[:-1])
            spread = (1 / fan) ** 0.5 if path[-1].key == 'kernel' else 0.2
            middle = {'scale': 1.0, 'var': 1.0}.get(path[-1].key, 0.0)
            return jnp.asarray(
                np.abs(middle + spread * rng.normal(size=leaf.shape))
                if path[-1].key in ('scale', 'var')
                else spread * rng.normal(size=leaf.shape)
            )

        variables = jax.tree_util.tree_map_with_path(draw, shapes)
        logits = jax.jit(lambda x: model.apply(variables, x, train=False).astype(jnp.float32))
        still = logits(images)
        rolls = [logits(jnp.roll(images, shift, (1, 2))) for shift in ((1, 0), (3, 2), (0, 5))]
        half = logits(fourier_double(images))
        size = jnp.abs(still).max()
        return max(float(jnp.abs(y - still).max() / size) for y in rolls), float(
            jnp.abs(half - still).max() / size
        )


def fourier_double(images):
    """`fourier_shift` by half a pixel on both axes, in float64."""
    n = images.shape[1]
    turn = jnp.exp(-1j * jnp.pi * jnp.fft.fftfreq(n))
    spectrum = jnp.fft.fft2(images, axes=(1, 2))
    moved = jnp.fft.ifft2(spectrum * turn[:, None, None] * turn[:, None], axes=(1, 2)).real
    near = fourier_shift(images.astype(jnp.float32), 0.5, 0.5)
    np.testing.assert_allclose(moved, near, atol=1e-4)
    return moved


@pytest.mark.parametrize('options', [{}, {'norm': 'batch'}], ids=str)
def test_the_stated_network_does_not_see_shifts_of_any_length(options):
    rolled, half = largest_changes(**options)
    assert rolled < 2e-6 and half < 2e-6


@pytest.mark.parametrize(
    'options',
    [
        {'norm': 'layer'},
        {'activation': 'gelu'},
        {'unstrided_stem': False},
        {'unstrided_stem': False, 'downsample_first': True},
        {'fill': 'zero'},
        {'strategy': 'max_blur'},
    ],
    ids=str,
)
def test_each_of_its_preconditions_is_needed(options):
    assert max(largest_changes(**options)) > 3e-4
