"""Networks in PyTorch, written from the papers, with the module names of torchvision."""

import torch
from torch import nn
from torch.nn import functional


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut (He et al. 2016, figure 2)."""

    def __init__(self, before: int, features: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(before, features, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(features)
        self.conv2 = nn.Conv2d(features, features, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(features)
        if stride > 1:
            conv = nn.Conv2d(before, features, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(features))
        else:
            self.downsample = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + self.downsample(x))


class ResNet18(nn.Module):
    """ResNet-18 as published: 3x3 max pool of stride 2, strided convolutions."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64, 1), BasicBlock(64, 64, 1))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128, 1))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256, 1))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512, 1))
        self.fc = nn.Linear(512, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, 2, padding=1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(x.mean((2, 3)))


class ConvNorm(nn.Module):
    """conv - norm - relu of GoogLeNet; the norm's epsilon is that of its TensorFlow original."""

    def __init__(self, before: int, features: int, window: int, stride: int = 1):
        super().__init__()
        self.conv = nn.Conv2d(before, features, window, stride, padding=window // 2, bias=False)
        self.bn = nn.BatchNorm2d(features, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches (Szegedy et al. 2015, figure 2b), with 3x3 for 5x5."""

    def __init__(self, before: int, row: tuple[int, int, int, int, int, int]):
        super().__init__()
        one, reduce3, three, reduce5, five, pool = row
        self.branch1 = ConvNorm(before, one, 1)
        self.branch2 = nn.Sequential(ConvNorm(before, reduce3, 1), ConvNorm(reduce3, three, 3))
        self.branch3 = nn.Sequential(ConvNorm(before, reduce5, 1), ConvNorm(reduce5, five, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, padding=1), ConvNorm(before, pool, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


GOOGLENET = {  # Table 1: #1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj
    'inception3a': (64, 96, 128, 16, 32, 32),
    'inception3b': (128, 128, 192, 32, 96, 64),
    'inception4a': (192, 96, 208, 16, 48, 64),
    'inception4b': (160, 112, 224, 24, 64, 64),
    'inception4c': (128, 128, 256, 24, 64, 64),
    'inception4d': (112, 144, 288, 32, 64, 64),
    'inception4e': (256, 160, 320, 32, 128, 128),
    'inception5a': (256, 160, 320, 32, 128, 128),
    'inception5b': (384, 192, 384, 48, 128, 128),
}


class GoogLeNet(nn.Module):
    """GoogLeNet without dropout and auxiliary heads; every max pool rounds its size up."""

    def __init__(self, num_classes: int):
        super().__init__()
        self.conv1 = ConvNorm(3, 64, 7, 2)
        self.conv2 = ConvNorm(64, 64, 1)
        self.conv3 = ConvNorm(64, 192, 3)
        before = 192
        for name, row in GOOGLENET.items():
            self.add_module(name, Inception(before, row))
            before = row[0] + row[2] + row[4] + row[5]
        self.fc = nn.Linear(before, num_classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        for name in GOOGLENET:
            x = self.get_submodule(name)(x)
            if name in ('inception3b', 'inception4e'):
                x = functional.max_pool2d(x, 3 if name == 'inception3b' else 2, 2, ceil_mode=True)
        return self.fc(x.mean((2, 3)))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a (batch, channels, height, width) map."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input.movedim(1, -1)).movedim(-1, 1)


class ConvNeXtBlock(nn.Module):
    """Liu et al. 2022, figure 4; the activation and the moves of axes have an index too."""

    def __init__(self, width: int):
        super().__init__()
        self.layer_scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))
        self.block = nn.ModuleDict(
            {
                '0': nn.Conv2d(width, width, 7, padding=3, groups=width),
                '2': nn.LayerNorm(width, eps=1e-6),
                '3': nn.Linear(width, 4 * width),
                '5': nn.Linear(4 * width, width),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.block['2'](self.block['0'](x).movedim(1, -1))
        y = self.block['5'](functional.gelu(self.block['3'](y)))
        return x + self.layer_scale * y.movedim(-1, 1)


class ConvNeXtT(nn.Module):
    """ConvNeXt-T without stochastic depth."""

    def __init__(self, num_classes: int):
        super().__init__()
        widths, depths = (96, 192, 384, 768), (3, 3, 9, 3)
        stages: list[nn.Module] = [nn.Sequential(nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, eps=1e-6))]
        for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            if stage > 0:
                before = widths[stage - 1]
                conv = nn.Conv2d(before, width, 2, 2)
                stages.append(nn.Sequential(ChannelNorm(before, eps=1e-6), conv))
            stages.append(nn.Sequential(*(ConvNeXtBlock(width) for _ in range(depth))))
        self.features = nn.Sequential(*stages)
        self.classifier = nn.ModuleDict(
            {'0': nn.LayerNorm(768, eps=1e-6), '2': nn.Linear(768, num_classes)}
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier['2'](self.classifier['0'](self.features(x).mean((2, 3))))
