"""The quick study's CIFAR-10 network and recipe, written in PyTorch alone.

Measured, never imported by cnn_jax. Only the images and the numbers of the recipe are shared with
our side: layers, initial weights, order, flips, optimiser and shifts are PyTorch's or written here.
"""

# pyright: reportMissingImports=false

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from cnn_jax.data import Dataset

WIDTH, EPOCHS, BATCH = 16, 3, 128
RATE, WARMUP_EPOCHS, MOMENTUM, DECAY = 0.02, 0.5, 0.95, 0.05
MAX_SHIFT = 3


class MaxBlur(nn.Module):
    """The maximum of 2x2 windows at stride 1, then [1, 2, 1] / 4 along each axis at stride 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) -> half of each."""
        x = functional.pad(functional.max_pool2d(x, 2, 1), (1, 1, 1, 1), mode='reflect')
        row = torch.tensor([1.0, 2.0, 1.0]) / 4
        kernel = (row[:, None] * row).expand(x.shape[1], 1, 3, 3)
        return functional.conv2d(x, kernel, stride=2, groups=x.shape[1])


POOLS = {'max': lambda: nn.MaxPool2d(2), 'max_blur3': MaxBlur}


def network(strategy: str) -> nn.Sequential:
    """Three stages of convolution, batch norm, ReLU and pool, and a dense layer."""
    layers: list[nn.Module] = []
    features = 3
    for stage in range(3):
        more = WIDTH << stage
        conv = nn.Conv2d(features, more, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
        layers += [conv, nn.BatchNorm2d(more), nn.ReLU(), POOLS[strategy]()]
        features = more
    side = _side(nn.Sequential(*layers))
    dense = nn.Linear(features * side**2, 10)
    nn.init.normal_(dense.weight, std=dense.in_features**-0.5)
    nn.init.zeros_(dense.bias)
    return nn.Sequential(*layers, nn.Flatten(), dense).to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]


def _side(layers: nn.Module) -> int:
    with torch.no_grad():
        return layers(torch.zeros(1, 3, 32, 32)).shape[-1]


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """Five steps of the quintic Newton-Schulz iteration of Jordan et al. 2024."""
    x = matrix / (matrix.norm() + 1e-8)
    wide = x if x.shape[0] <= x.shape[1] else x.T
    for _ in range(5):
        gram = wide @ wide.T
        wide = 3.4445 * wide + (-4.775 * gram + 2.0315 * gram @ gram) @ wide
    return wide if x.shape[0] <= x.shape[1] else wide.T


def rate(step: int, steps: int) -> float:
    """The learning rate of a step: a linear rise, then half a cosine."""
    warmup = round(WARMUP_EPOCHS * steps / EPOCHS)
    if step < warmup:
        return RATE * step / warmup
    return RATE * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def train(strategy: str, seed: int, dataset: Dataset) -> nn.Sequential:
    """A trained network in evaluation mode."""
    torch.manual_seed(seed)
    net = network(strategy)
    convs = [m.weight for m in net if isinstance(m, nn.Conv2d)]
    moments = [torch.zeros_like(w) for w in convs]
    dense = net[-1].weight
    others = [p for p in net.parameters() if not any(p is w for w in (*convs, dense))]
    adam = torch.optim.AdamW(
        [{'params': [dense], 'weight_decay': DECAY}, {'params': others, 'weight_decay': 0.0}]
    )
    images = inputs(dataset.train.images, scale_of(dataset))
    labels = torch.tensor(dataset.train.labels)
    number = len(labels) // BATCH
    for epoch in range(EPOCHS):
        order = torch.randperm(len(labels))[: number * BATCH].reshape(number, BATCH)
        for place, index in enumerate(order):
            step = epoch * number + place
            batch = images[index]
            flipped = torch.rand(BATCH) < 0.5
            batch = torch.where(flipped[:, None, None, None], batch.flip(3), batch)
            loss = functional.cross_entropy(net(batch), labels[index].long())
            net.zero_grad()
            loss.backward()
            now = rate(step, EPOCHS * number)
            for group in adam.param_groups:
                group['lr'] = now
            adam.step()
            _muon(convs, moments, now, step + 1)
    return net.eval()


@torch.no_grad()
def _muon(weights: list, moments: list, now: float, count: int) -> None:
    for weight, moment in zip(weights, moments, strict=True):
        moment.mul_(MOMENTUM).add_(weight.grad, alpha=1 - MOMENTUM)
        ahead = MOMENTUM * moment / (1 - MOMENTUM ** (count + 1))
        ahead = ahead + (1 - MOMENTUM) * weight.grad / (1 - MOMENTUM**count)
        matrix = ahead.flatten(1)
        update = 0.2 * max(matrix.shape) ** 0.5 * orthogonal(matrix)
        weight.mul_(1 - now * DECAY).sub_(now * update.reshape(weight.shape))


Scale = tuple[torch.Tensor, torch.Tensor]


def scale_of(dataset: Dataset) -> Scale:
    """The training set's mean and standard deviation of each channel, of values from 0 to 1."""
    pixels = dataset.train.images.reshape(-1, 3)
    square = np.square(pixels, dtype=np.float32).mean(0, dtype=np.float64)
    mean = pixels.mean(0)
    std = np.sqrt(square - mean**2)
    return torch.tensor(mean / 255).float(), torch.tensor(std / 255).float()


def inputs(images: np.ndarray, scale: Scale) -> torch.Tensor:
    """Normalised; (batch, channels, height, width), the channels last in memory."""
    mean, std = scale
    return ((torch.tensor(images).float() / 255 - mean) / std).permute(0, 3, 1, 2)


@torch.no_grad()
def judged(net: nn.Module, seed: int, dataset: Dataset) -> dict[str, float]:
    """Accuracy, and the share of test images with the same prediction under two random shifts."""
    draw, test = np.random.default_rng(1000 + seed), dataset.test
    scale = scale_of(dataset)
    places = np.array([(y, x) for y in range(-3, 4) for x in range(-3, 4)])
    first = draw.integers(0, len(places), len(test))
    second = (first + draw.integers(1, len(places), len(test))) % len(places)

    def answers(images: np.ndarray) -> np.ndarray:
        parts = np.array_split(images, 20)
        return np.concatenate([net(inputs(part, scale)).argmax(1).numpy() for part in parts])

    def moved(which: np.ndarray) -> np.ndarray:
        pad = MAX_SHIFT
        wide = np.pad(test.images, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        corners = pad - places[which]
        cut = [i[y : y + 32, x : x + 32] for i, (y, x) in zip(wide, corners, strict=True)]
        return np.stack(cut)

    return {
        'accuracy': float((answers(test.images) == test.labels).mean()),
        'consistency': float((answers(moved(first)) == answers(moved(second))).mean()),
    }
