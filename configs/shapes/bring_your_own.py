"""Every part of a comparison that can be your own, each in a few lines.

python -m experiments.compare_pooling configs/shapes/bring_your_own.py --output runs/own

Half a minute on two cores. The accuracies mean nothing: this shows how parts plug in. Use what you
need: each field of `Comparison` may also be one of ours, by name or as `Optimizer(...)`.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import jax
import numpy as np
import optax
from flax import linen as nn

from cnn_jax.data import Dataset, Split
from cnn_jax.fields import Between
from cnn_jax.layers import Downsample
from cnn_jax.ops import max_pool
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import Max, Strategy


@dataclass(frozen=True)
class Every(Strategy):
    """Every second element: a strategy without parameters."""

    name: ClassVar[str] = 'every'
    stride: int = 2

    def __call__(self, x, *, train, layer):
        return x[:, :: self.stride, :: self.stride]


@dataclass(frozen=True)
class Sharpened(Strategy):
    """A maximum to a learned power: a strategy with a parameter and a checked field."""

    name: ClassVar[str] = 'sharpened'
    stride: int = 2
    start: Annotated[float, Between(0.1, 10)] = 1.0

    def __call__(self, x, *, train, layer):
        power = layer.param('power', nn.initializers.constant(self.start), ())
        return (max_pool(nn.relu(x), window=self.stride) + 1e-6) ** power


class Net(nn.Module):
    """A model: Flax's own layers, one pool to be compared and one that stays as it is."""

    downsample: Strategy
    num_classes: int

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.relu(nn.Conv(8, (3, 3))(x))
        x = Downsample(self.downsample)(x, train=train)
        x = nn.max_pool(nn.relu(nn.Conv(16, (3, 3))(x)), (2, 2), (2, 2))
        return nn.Dense(self.num_classes)(x.mean((1, 2)))


def stripes() -> Dataset:
    """A data set: arrays in memory, here stripes that lie or stand."""
    rng = np.random.default_rng(0)

    def split(count: int) -> Split:
        labels = np.arange(count, dtype=np.int32) % 2
        rows = np.sin(np.arange(16) + rng.uniform(0, 6, (count, 1)))[:, :, None, None]
        images = np.where(labels[:, None, None, None], rows, rows.transpose(0, 2, 1, 3))
        noise = rng.normal(0, 0.5, (count, 16, 16, 1))
        return Split((120 + 50 * (images + noise)).clip(0, 255).astype(np.uint8), labels)

    return Dataset('stripes', split(256), split(64), ('lying', 'standing'))


def clipped_sgd(*, epochs: int, steps_per_epoch: int) -> optax.GradientTransformation:
    """An optimiser and its schedule, from Optax."""
    rate = optax.cosine_decay_schedule(0.2, epochs * steps_per_epoch)
    return optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(rate, momentum=0.9))


def brighter(key: jax.Array, images: jax.Array) -> jax.Array:
    """An augmentation: it runs in jit and keeps shape and dtype."""
    shift = jax.random.randint(key, (images.shape[0], 1, 1, 1), 0, 20)
    return images // 2 + shift.astype(images.dtype)


def worst_class(predict, images: np.ndarray, labels: np.ndarray) -> float:
    """A metric: the accuracy of the class that does worst."""
    right = np.asarray(predict(images)).argmax(1) == labels
    return min(float(right[labels == label].mean()) for label in np.unique(labels))


config = Comparison(
    strategies={'max': Max(), 'every': Every(), 'sharpened': Sharpened(start=2.0)},
    model=Net,
    data=stripes,
    optimizer=clipped_sgd,
    augment=brighter,
    evaluation=Evaluation(metrics=(worst_class,), worst_case_images=10, maps=2),
    seeds=(0, 1),
    epochs=2,
    batch_size=32,
)
