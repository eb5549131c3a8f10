"""A model with its input normalisation: from uint8 images to logits, or a dense model's outputs."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import cast

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float, Key, UInt8

from cnn_jax.errors import require
from cnn_jax.layers.conv import channels_first_hint


@dataclass(frozen=True)
class Classifier:
    """`model` with the mean and standard deviation of each image channel, on the scale 0 to 1.

    >>> import jax
    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    >>> images = jnp.zeros((2, 28, 28, 1), jnp.uint8)
    >>> variables = classifier.init(jax.random.key(0), (28, 28, 1))
    >>> classifier.logits(variables, images).shape
    (2, 10)
    """

    model: nn.Module
    mean: tuple[float, ...]
    std: tuple[float, ...]
    margin: int = 0  # pixels cut off at each side before the model sees the image

    def __post_init__(self):
        require(
            len(self.mean) == len(self.std)
            and all(0 <= mean <= 1 for mean in self.mean)
            and all(0 < std < math.inf for std in self.std),
            f'mean (0 to 1) and std (above 0) must hold a number for each channel; '
            f'got {self.mean} and {self.std}.',
        )
        require(
            type(self.margin) is int and self.margin >= 0,
            f'margin must be a number of pixels of at least 0; got {self.margin!r}.',
        )

    def normalise(
        self, images: UInt8[Array, 'batch height width channels']
    ) -> Float[Array, 'batch inner_height inner_width channels']:
        """(images / 255 - mean) / std, in float32, without the margin."""
        hint = channels_first_hint(images.shape, len(self.mean))
        require(
            images.ndim == 4 and images.dtype == jnp.uint8 and images.shape[-1] == len(self.mean),
            f'images must be uint8 (batch, height, width, {len(self.mean)}); '
            f'got {images.dtype} {images.shape}{hint}.',
        )
        return self._scaled(images)

    def _scaled(self, images: Array) -> Array:
        scale = 1 / (255 * jnp.array(self.std, jnp.float32))
        offset = jnp.array(self.mean, jnp.float32) / jnp.array(self.std, jnp.float32)
        inner = [slice(self.margin, side - self.margin) for side in images.shape[1:3]]
        return images[:, inner[0], inner[1]].astype(jnp.float32) * scale - offset

    def init(self, key: Key[Array, ''], image_shape: tuple[int, int, int]) -> Mapping:
        """Fresh variables: 'params' and 'batch_stats'."""
        whole = jnp.zeros((1, *image_shape), jnp.uint8)
        images = jax.eval_shape(self._scaled, whole)
        variables = _compiled_init(_Itself(self.model), images.shape)(key)
        return {'params': variables['params'], 'batch_stats': variables.get('batch_stats', {})}

    def logits(
        self, variables: Mapping, images: UInt8[Array, 'batch height width channels']
    ) -> Float[Array, 'batch ...']:
        """Logits for evaluation, or what a dense model gives: running statistics, no randomness."""
        return cast(Array, self.model.apply(variables, self.normalise(images), train=False))

    def logits_of_floats(
        self, variables: Mapping, images: Float[Array, 'batch height width channels']
    ) -> Float[Array, 'batch ...']:
        """`logits` for floating-point images in the same units, 0 to 255."""
        return cast(Array, self.model.apply(variables, self._scaled(images), train=False))

    def train_logits(
        self,
        variables: Mapping,
        images: UInt8[Array, 'batch height width channels'],
        key: Key[Array, ''],
    ) -> tuple[Float[Array, 'batch ...'], Mapping, Float[Array, '']]:
        """Logits for training, the updated batch statistics, and what layers add to the loss.

        A layer adds a term with `self.sow('losses', name, scalar)`. Terms whose name begins with
        'mean_' are averaged over the layers that sow that name, so that they do not grow with
        depth.
        """
        applied = self.model.apply(
            variables,
            self.normalise(images),
            train=True,
            mutable=['batch_stats', 'losses'],
            rngs={'dropout': key, 'downsample': jax.random.fold_in(key, 1)},
        )
        logits, updates = cast(tuple[Array, Mapping], applied)
        return logits, updates.get('batch_stats', {}), _added(updates.get('losses', {}))


class _Itself:
    """A module that equals itself alone: its fields may have no hash, or leave out of `==` what its
    start depends on."""

    def __init__(self, module: nn.Module):
        self.module = module

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.module is self.module

    def __hash__(self) -> int:
        return id(self.module)


@lru_cache(maxsize=32)
def _compiled_init(model: _Itself, shape: tuple[int, ...]) -> Callable[[Array], Mapping]:
    """The start of a model from a key: compiled once, in seconds, as much as a short run takes."""
    images = jnp.zeros(shape)  # only their shape counts
    return jax.jit(lambda key: model.module.init(key, images, train=False))


def _added(losses: Mapping) -> Float[Array, '']:
    """The sum of the sown terms, where those named 'mean_...' are first averaged by name.

    >>> pool1, pool2 = {'mean_undo': (1.0,)}, {'mean_undo': (2.0,), 'size': (0.5,)}
    >>> float(_added({'pool1': pool1, 'pool2': pool2}))
    2.0
    """
    named: dict[str, list] = {}
    for path, term in jax.tree_util.tree_flatten_with_path(losses)[0]:
        named.setdefault(path[-2].key, []).append(term)
    added = jnp.zeros(())
    for name, terms in named.items():
        added += sum(terms) / (len(terms) if name.startswith('mean_') else 1)
    return added
