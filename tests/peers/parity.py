"""The same weights in PyTorch and here, and the difference between two results."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import torch
from flax.traverse_util import flatten_dict
from torch import nn

from cnn_jax.models.network import Network
from cnn_jax.weights import from_torch

CLASSES = 10
QUICK = {'xla_backend_optimization_level': 0}  # compiles in half the time


@dataclass(frozen=True)
class Pair:
    """A network of PyTorch and ours, that are to be the same.

    Attributes:
        make: Makes the network of PyTorch; its random numbers are seeded.
        side: Of the square images.
    """

    make: Callable[[], nn.Module]
    model: Network
    side: int

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return (self.side, self.side, 3)

    def net(self) -> nn.Module:
        """PyTorch's, all numbers drawn: a mistake hides behind ones and zeros."""
        torch.manual_seed(0)
        net = self.make()
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                    module.weight.uniform_(0.5, 1.5)
                if isinstance(module, nn.BatchNorm2d):
                    module.get_buffer('running_mean').normal_(0, 0.1)
                    module.get_buffer('running_var').uniform_(0.5, 1.5)
                if isinstance(module, nn.Dropout):
                    module.p = 0.0
            for name, parameter in net.named_parameters():
                if name.endswith('.weight') and parameter.ndim > 1:
                    nn.init.kaiming_normal_(parameter, nonlinearity='relu')
                if name.endswith('.bias'):
                    parameter.normal_(0, 0.1)
                if name.endswith('.layer_scale'):
                    parameter.uniform_(0.5, 1.5)
        return net

    def ours(self, net: nn.Module) -> dict:
        """The variables of our model, from that network."""
        return from_torch(self.model, state(net), self.image_shape)

    def images(self, batch: int) -> np.ndarray:
        """Noise in differing colours, so that the logits of no two images are alike."""
        rng = np.random.default_rng(0)
        colours = rng.standard_normal((batch, 1, 1, 3), np.float32)
        return colours + rng.standard_normal((batch, *self.image_shape), np.float32)


def state(net: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}


def channels_first(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))


def distance(ours: np.ndarray | jax.Array, theirs: np.ndarray | torch.Tensor) -> float:
    """The largest difference, relative to the largest element of `theirs`."""
    theirs = np.asarray(theirs)
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


def distances(ours: dict, theirs: dict) -> dict[str, float]:
    """`distance` of each leaf."""
    left, right = flatten_dict(ours, sep='/'), flatten_dict(theirs, sep='/')
    assert left.keys() == right.keys()
    return {name: distance(left[name], right[name]) for name in left}
