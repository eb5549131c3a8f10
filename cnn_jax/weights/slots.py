"""The name and layout of each tensor of a network in PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Array, Shaped

from cnn_jax.errors import BadInput
from cnn_jax.weights.names import Names

_LEAVES = {
    'kernel': 'weight',
    'scale': 'weight',
    'bias': 'bias',
    'mean': 'running_mean',
    'var': 'running_var',
}


@dataclass(frozen=True)
class Slot:
    """One tensor: its path and shape here, its name in PyTorch, and how to convert the layout.

    Attributes:
        path: Here, like 'params/conv1/kernel'.
        shape: Here.
        name: In PyTorch, like 'conv1.weight'.
        channels: The map's channels, for the kernel of a dense layer on a flattened map; else 0.
        is_scale: Whether PyTorch has (channels, 1, 1) where we have (channels,).
    """

    path: str
    shape: tuple[int, ...]
    name: str
    channels: int = 0
    is_scale: bool = False

    @property
    def torch_shape(self) -> tuple[int, ...]:
        """Its shape in PyTorch.

        >>> Slot('params/conv1/kernel', (7, 5, 3, 64), 'conv1.weight').torch_shape
        (64, 3, 7, 5)
        """
        return jax.eval_shape(self.to_torch, jax.ShapeDtypeStruct(self.shape, np.float32)).shape

    def to_torch(self, x: Shaped[Array | np.ndarray, '...']) -> Shaped[Array | np.ndarray, '...']:
        """(h, w, in, out) -> (out, in, h, w), and (in, out) -> (out, in).

        Where `in` is a flattened map, its elements go from the order (h, w, c) to (c, h, w).
        """
        if x.ndim == 4:
            return x.transpose(3, 2, 0, 1)
        if self.channels:
            positions, out = x.shape[0] // self.channels, x.shape[1]
            x = x.reshape(positions, self.channels, out)
            return x.transpose(2, 1, 0).reshape(out, self.channels * positions)
        if x.ndim == 2:
            return x.T
        return x.reshape(-1, 1, 1) if self.is_scale else x

    def to_ours(self, x: Shaped[np.ndarray, '...']) -> Shaped[np.ndarray, '...']:
        """The inverse of `to_torch`."""
        if x.ndim == 4:
            return x.transpose(2, 3, 1, 0)
        if self.channels:
            x = x.reshape(x.shape[0], self.channels, -1).transpose(2, 1, 0)
        elif x.ndim == 2:
            x = x.T
        return x.reshape(self.shape)


def slots(network: str, shapes: Mapping, names: Names) -> list[Slot]:
    """A slot for each leaf of `shapes`, a flat tree; BadInput where one has no name in PyTorch.

    `network` is the model's name in that error.
    """
    found, unnamed = [], {}
    for path, leaf in shapes.items():
        ours = path.partition('/')[2]
        module, _, last = ours.rpartition('/')
        if ours in names.scales:
            found.append(Slot(path, leaf.shape, names.scales[ours], is_scale=True))
        elif module in names.layers:
            name, channels = f'{names.layers[module]}.{_LEAVES[last]}', 0
            if last == 'kernel' and module in names.flattened:
                channels = features(shapes, names.flattened[module])
            found.append(Slot(path, leaf.shape, name, channels=channels))
        else:
            unnamed[module or ours] = path
    if unnamed:
        raise BadInput(
            f'{network} has layers without a name in PyTorch: {", ".join(unnamed)}. Only published '
            f'networks have one: choose downsample, norm, activation and small_images so that '
            f'these layers are not there.'
        )
    return found


def features(shapes: Mapping, conv: str) -> int:
    """The number of output channels of a convolution."""
    return shapes[f'params/{conv}/kernel'].shape[-1]
