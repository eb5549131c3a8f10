"""Upsampling and a small U-Net against PyTorch: the forward pass and a step of SGD in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from cnn_jax import ops
from cnn_jax.models import build_model, variable_shapes
from cnn_jax.strategies import Bilinear, Max, TransposedConv
from tests.peers.parity import QUICK, channels_first, distance

RATE = 0.1


def channels_last(x: torch.Tensor) -> np.ndarray:
    return np.moveaxis(x.detach().numpy(), 1, -1)


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize(
    'size, window, stride, padding',
    [((6, 8), 2, 2, 0), ((7, 5), 2, 2, 0), ((7, 9), 2, 3, 1), ((8, 8), 3, 3, 1)],
)
def test_places_and_unpooling_with_ties(size, window, stride, padding):
    x = np.random.default_rng(0).integers(-2, 2, (2, *size, 3)).astype(np.float32)
    theirs, indices = functional.max_pool2d(
        channels_first(x), window, stride, padding, return_indices=True
    )
    options = {'window': window, 'stride': stride, 'padding': ((padding, padding),) * 2}
    values, places = ops.max_pool_with_places(jnp.asarray(x), **options)
    np.testing.assert_array_equal(values, channels_last(theirs))
    np.testing.assert_array_equal(places, channels_last(indices))
    leaf = theirs.clone().requires_grad_()
    whole = functional.max_unpool2d(leaf, indices, window, stride, padding, output_size=size)
    whole.backward(channels_first(x))
    ours, pullback = jax.vjp(lambda y: ops.max_unpool(y, places, **options, size=size), values)
    np.testing.assert_array_equal(ours, channels_last(whole))
    assert leaf.grad is not None
    np.testing.assert_array_equal(pullback(jnp.asarray(x))[0], channels_last(leaf.grad))
    first = torch.zeros_like(indices)  # of the usual size some places are outside
    usual = functional.max_unpool2d(theirs, first, window, stride, padding)
    assert ops.max_unpool(values, places, **options).shape[1:3] == usual.shape[2:]


@pytest.mark.parametrize('factor', [2, 3, (1, 4)])
def test_interpolation(factor):
    x = draw(2, 3, 5, 2)
    for mode, ours in (
        ('nearest', ops.upsample_nearest(jnp.asarray(x), factor=factor)),
        ('bilinear', ops.upsample_bilinear(jnp.asarray(x), factor=factor)),
    ):
        align = {} if mode == 'nearest' else {'align_corners': False}
        scale = tuple(map(float, (factor, factor) if isinstance(factor, int) else factor))
        theirs = functional.interpolate(channels_first(x), scale_factor=scale, mode=mode, **align)
        assert distance(ours, channels_last(theirs)) < 1e-6


@pytest.mark.parametrize('window, stride, padding', [(2, 2, 0), (4, 2, 1), (5, 3, 2), (1, 2, 0)])
def test_transposed_convolution(window, stride, padding):
    x, kernel = draw(2, 3, 4, 2), draw(window, window, 2, 3, seed=1)
    pairs = ((padding, padding),) * 2
    ours = ops.conv_transpose(jnp.asarray(x), jnp.asarray(kernel), stride=stride, padding=pairs)
    theirs = functional.conv_transpose2d(
        channels_first(x),
        torch.from_numpy(kernel.transpose(2, 3, 0, 1).copy()),
        stride=stride,
        padding=padding,
    )
    assert distance(ours, channels_last(theirs)) < 1e-6


class Two(nn.Sequential):
    """Two of conv 3x3, batch norm, ReLU."""

    def __init__(self, before: int, features: int):
        parts: list[nn.Module] = []
        for channels in (before, features):
            parts += [nn.Conv2d(channels, features, 3, padding=1, bias=False)]
            parts += [nn.BatchNorm2d(features), nn.ReLU()]
        super().__init__(*parts)


class SmallUNet(nn.Module):
    """Three levels of 4, 8 and 16 features (Ronneberger et al. 2015, figure 1)."""

    def __init__(self, transposed: bool):
        super().__init__()
        self.down1, self.down2, self.bottom = Two(3, 4), Two(4, 8), Two(8, 16)
        self.join2, self.join1 = Two(16, 8), Two(8, 4)
        if transposed:
            self.up2 = nn.Sequential(nn.ConvTranspose2d(16, 8, 2, 2))
            self.up1 = nn.Sequential(nn.ConvTranspose2d(8, 4, 2, 2))
        else:
            larger = nn.Upsample(scale_factor=2, mode='bilinear', align_corners=False)
            self.up2 = nn.Sequential(nn.Conv2d(16, 8, 1), larger)
            self.up1 = nn.Sequential(nn.Conv2d(8, 4, 1), larger)
        self.head = nn.Conv2d(4, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.down1(x)
        second = self.down2(functional.max_pool2d(first, 2))
        third = self.bottom(functional.max_pool2d(second, 2))
        second = self.join2(torch.cat([second, self.up2(third)], 1))
        return self.head(self.join1(torch.cat([first, self.up1(second)], 1)))


def names(path: tuple[str, ...]) -> tuple[str, str]:
    """PyTorch's module and tensor of one of our variables."""
    collection, *layers, leaf = path
    tensor = {
        ('params', 'kernel'): 'weight',
        ('params', 'scale'): 'weight',
        ('params', 'bias'): 'bias',
        ('batch_stats', 'mean'): 'running_mean',
        ('batch_stats', 'var'): 'running_var',
    }[collection, leaf]
    kind, _, rest = layers[0].partition('_')
    if not rest:  # up1/conv, head
        return ('head' if kind == 'head' else f'{kind}.0'), tensor
    block, _, number = rest.rpartition('_')
    return f'{block}.{3 * (int(number) - 1) + (kind == "norm")}', tensor


def ours_from(net: nn.Module, shapes: dict) -> dict:
    """Our variables, from what the net of PyTorch holds now."""

    def taken(path, leaf):
        module, name = names(tuple(key.key for key in path))
        tensor = getattr(net.get_submodule(module), name).detach().numpy().copy()
        if tensor.ndim == 4:
            transposed = isinstance(net.get_submodule(module), nn.ConvTranspose2d)
            tensor = tensor.transpose((2, 3, 0, 1) if transposed else (2, 3, 1, 0))
        assert tensor.shape == leaf.shape
        return tensor

    return jax.tree_util.tree_map_with_path(taken, shapes)


@pytest.mark.parametrize('transposed', [True, False])
def test_a_small_u_net_and_its_step_of_sgd(transposed):
    torch.manual_seed(0)
    net = SmallUNet(transposed).double()
    images = np.random.default_rng(0).normal(size=(2, 8, 12, 3))
    labels = np.random.default_rng(1).integers(0, 3, (2, 8, 12))
    upsample = TransposedConv() if transposed else Bilinear()
    with jax.enable_x64(True):
        model = build_model(
            'unet_small',
            downsample=Max(),
            num_classes=3,
            width=4,
            upsample=upsample,
            dtype=jnp.float64,
        )
        shapes = variable_shapes(model, (8, 12, 3))
        variables, pixels = ours_from(net, shapes), jnp.asarray(images)
        net.eval()
        expected = channels_last(net(channels_first(images)))
        net.train()
        loss = functional.cross_entropy(net(channels_first(images)), torch.from_numpy(labels))
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                assert parameter.grad is not None
                parameter -= RATE * parameter.grad
        after = ours_from(net, shapes)

        def loss_of(params):
            logits, state = model.apply(
                {**variables, 'params': params}, pixels, train=True, mutable=['batch_stats']
            )
            each = jnp.take_along_axis(jax.nn.log_softmax(logits), labels[..., None], -1)
            return -each.mean(), state

        def both(variables):
            logits = model.apply(variables, pixels, train=False)
            (value, _), gradient = jax.value_and_grad(loss_of, has_aux=True)(variables['params'])
            step = jax.tree.map(lambda p, g: p - RATE * g, variables['params'], gradient)
            return logits, value, step

        program = jax.jit(both).lower(variables).compile(compiler_options=QUICK)
        logits, value, step = program(variables)
        assert distance(logits, expected) < 1e-10
        assert distance(value, loss.detach()) < 1e-12
        moved = jax.tree.map(lambda a, b: float(np.abs(a - b).max()), step, after['params'])
        assert max(jax.tree.leaves(moved)) < 1e-10
