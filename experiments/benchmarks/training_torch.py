"""The benchmark's networks in PyTorch, where max-blur uses the blur of antialiased-cnns.

Measured, never imported by cnn_jax; antialiased-cnns is licensed for non-commercial use.
"""

# pyright: reportMissingImports=false

import warnings
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

STAGES = ((64,), (128,), (256, 256), (512, 512), (512, 512))  # VGG-11


def blur(channels: int) -> nn.Module:
    """The binomial filter of size 3, with stride 2."""
    import antialiased_cnns

    return antialiased_cnns.BlurPool(channels, filt_size=3, stride=2)


def pool(downsample: str, channels: int) -> nn.Module:
    """A max pool, or one at stride 1 and a blur."""
    if downsample == 'max':
        return nn.MaxPool2d(2)
    return nn.Sequential(nn.MaxPool2d(2, 1), blur(channels))


def conv(inputs: int, features: int, window: int, **options) -> list[nn.Module]:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d(inputs, features, window, padding=window // 2, **options)
    return [layer, nn.BatchNorm2d(features), nn.ReLU()]


def convnet1(downsample: str) -> nn.Module:
    """[conv 5x5 - norm - ReLU - pool] with 16, then 32 features; dense."""
    first, second = ([*conv(i, o, 5), pool(downsample, o)] for i, o in ((1, 16), (16, 32)))
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(7 * 7 * 32, 10))


def vgg11(downsample: str) -> nn.Module:
    """VGG-11 with batch norm and one dense layer on the mean of the last map, for 32 pixels."""
    layers, inputs, side = [], 3, 32
    for stage in STAGES:
        for features in stage:
            layers += conv(inputs, features, 3)
            inputs = features
        if side > 1:
            side //= 2
            last = side == 1 and downsample == 'max_blur'  # a 1x1 map has nothing to reflect
            layers.append(nn.MaxPool2d(2) if last else pool(downsample, inputs))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


class Block(nn.Module):
    """Two 3x3 convolutions plus the shortcut."""

    def __init__(self, inputs: int, features: int, downsample: str):
        super().__init__()
        halve, blurred = inputs != features, downsample == 'max_blur'
        stride = 2 if halve and not blurred else 1
        first = conv(inputs, features, 3, stride=stride, bias=False)
        shortcut = conv(inputs, features, 1, stride=stride, bias=False)[:2] if halve else []
        if halve and blurred:
            first, shortcut = [*first, blur(features)], [blur(inputs), *shortcut]
        self.first, self.shortcut = nn.Sequential(*first), nn.Sequential(*shortcut)
        self.second = nn.Sequential(*conv(features, features, 3, bias=False)[:2])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.second(self.first(x)) + self.shortcut(x))


def resnet18(downsample: str) -> nn.Module:
    """Four stages of two blocks, for 32 pixels."""
    layers, inputs = conv(3, 64, 3, bias=False), 64
    for features in (64, 128, 256, 512):
        layers += [Block(inputs, features, downsample), Block(features, features, downsample)]
        inputs = features
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


NETWORKS = {'convnet1': convnet1, 'vgg11_bn': vgg11, 'resnet18': resnet18}


def build(
    model: str, downsample: str, batch: int, shape: tuple[int, int, int], threads: int, both: bool
) -> dict[str, Callable[[], None]]:
    """One training step with Adam: contiguous and channels_last, eager and (`both`) compiled."""
    torch.set_num_threads(threads)
    torch._dynamo.reset()
    warnings.filterwarnings('ignore')
    torch.manual_seed(0)
    height, width, channels = shape
    x, y = torch.randn(batch, channels, height, width), torch.randint(0, 10, (batch,))
    calls = {}
    for mode in ('eager', 'compiled') if both else ('eager',):
        layouts = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
        for layout, memory in layouts.items():
            net = NETWORKS[model](downsample)
            net.to(memory_format=memory)  # pyright: ignore[reportCallIssue]
            function = torch.compile(net, dynamic=False) if mode == 'compiled' else net
            try:
                calls[f'torch {layout} {mode}'] = train_step(
                    net, function, x.to(memory_format=memory), y
                )
            except Exception as error:  # a peer's compiler fails on some nets: say so, go on
                print(f'{model}: {layout} {mode} failed: {type(error).__name__}', flush=True)
    return calls


def train_step(net: nn.Module, function: Callable, x: torch.Tensor, y: torch.Tensor) -> Callable:
    """A call of one step, which has run once."""
    optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=True)

    def call() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(function(x), y).backward()
        optimizer.step()

    call()
    return call
