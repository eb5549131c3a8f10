"""Receptive fields of layers from elsewhere, derived from their equations."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from cnn_jax.inspection import summarize
from tests.inspection.probe import reached

SIZE = 40


class Around(nn.Module):
    """Something between two 1x1 convolutions of Flax."""

    between: nn.Module
    features: int = 2

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.Conv(self.features, (1, 1), use_bias=False, name='before')(x)
        return nn.Conv(2, (1, 1), use_bias=False, name='after')(self.between(x))


class Apply(nn.Module):
    """A function as a module."""

    function: Callable

    def __call__(self, x):
        return self.function(x)


WINDOWS = {
    'conv': nn.Conv(2, (3, 5), use_bias=False),
    'strided': nn.Conv(2, (4, 4), strides=(2, 3), padding='VALID', use_bias=False),
    'dilated': nn.Conv(2, (3, 3), kernel_dilation=2, padding=((4, 0), (1, 3)), use_bias=False),
    'depthwise': nn.Conv(2, (3, 3), feature_group_count=2, use_bias=False),
    'dense': nn.Dense(3, use_bias=False),
    'max': Apply(lambda x: nn.max_pool(x, (3, 3), (2, 2), 'SAME')),
    'avg': Apply(lambda x: nn.avg_pool(x, (2, 3), (1, 2))),
    'any reduction': Apply(
        lambda x: jax.lax.reduce_window(x, 0.0, jnp.hypot, (1, 3, 2, 1), (1, 2, 1, 1), 'VALID')
    ),
    'pad': Apply(lambda x: jnp.pad(x, ((0, 0), (2, 1), (0, 3), (0, 0)))),
    'slice': Apply(lambda x: x[:, 3::2, 1:-2]),
    'branches': Apply(lambda x: jnp.concatenate([x, nn.max_pool(x, (3, 3), (1, 1), 'SAME')], -1)),
    'jit': Apply(jax.jit(lambda x: nn.relu(x).transpose(0, 1, 2, 3) * 2)),
    'channels': Apply(lambda x: jnp.einsum('bhwc,cd->bhwd', x, jnp.ones((2, 3)))),
    'mean over channels': Apply(lambda x: x.mean(-1, keepdims=True) + x),
}
WHOLE = {
    'roll': lambda x: jnp.roll(x, 1, 1),
    'fft': lambda x: jnp.fft.ifft(jnp.fft.fft(x, axis=2), axis=2).real,
    'fft of columns and channels': lambda x: jnp.fft.fft2(x, axes=(2, 3)).real,
    'turned': lambda x: x.swapaxes(1, 2),
    'flipped': lambda x: x[:, ::-1],
    'summed up': lambda x: jnp.cumsum(x, 2),
    'sorted': lambda x: jnp.sort(x, 1),
    'squeeze and excite': lambda x: x * nn.sigmoid(x.mean((1, 2), keepdims=True)),
    'attention': lambda x: jnp.einsum('bhwc,hk->bkwc', x, jnp.ones((SIZE, SIZE))),
    'rows for columns': lambda x: jnp.tensordot(x, jnp.ones((SIZE, SIZE)), (1, 0)),
    'columns for channels': lambda x: jax.lax.broadcast_in_dim(x.sum(3), x.shape, (0, 1, 3)),
    'mean over rows': lambda x: x.mean(1)[..., None],
    'strides that differ': lambda x: x[:, :20] + x[:, ::2],
    'upsampled': lambda x: jnp.repeat(x, 2, 1)[:, :SIZE],
    'scan': lambda x: jax.lax.scan(lambda c, _: (jnp.roll(c, 1, 1), None), x, length=2)[0],
    'side by side': lambda x: jnp.concatenate([x[:, :20], x[:, :20]], 1),
    'folded': lambda x: x.reshape(1, SIZE // 2, SIZE, -1).reshape(x.shape),
}


@pytest.mark.parametrize('name', WINDOWS)
def test_windows(name):
    model, shape = Around(WINDOWS[name]), (SIZE, SIZE, 2)
    field = summarize(model, shape).layers[-1].field
    assert field is not None
    for axis in (0, 1):
        seen = reached(model, shape, axis, range(SIZE))['after']
        units = range(seen.shape[1] // 4, seen.shape[1] * 3 // 4)
        bounds = [np.flatnonzero(seen[:, unit])[[0, -1]].tolist() for unit in units]
        assert bounds == [list(field.of_unit(unit, unit)[axis]) for unit in units]


@pytest.mark.parametrize('name', WHOLE)
def test_whole_image(name):
    """With as many channels as rows and columns: the shape alone tells nothing."""
    model = Around(Apply(WHOLE[name]), SIZE)
    layers = summarize(model, (SIZE, SIZE, 1)).layers
    assert layers[0].field is not None and layers[-1].field is None


def test_recomputed_layers_are_followed():
    def last(conv):
        between = conv(2, (3, 3), use_bias=False)
        return summarize(Around(between), (SIZE, SIZE, 2)).layers[-1]

    assert last(nn.remat(nn.Conv)) == last(nn.Conv)
