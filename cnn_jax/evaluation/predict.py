"""The outputs for many images, in batches of a single compiled shape; every image exactly once."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Num

from cnn_jax.errors import require
from cnn_jax.models import Classifier
from cnn_jax.ops.shifts import shift_images

# (batch, height, width, channels), a jax.Array in the images' dtype -> (batch, classes), or
# whatever else the task asks for with one entry for each image, of any type that NumPy can read.
Predict = Callable[[Array], Any]

shifted = jax.jit(shift_images, static_argnames='border')


@partial(jax.jit, static_argnames=('classifier', 'floats'))
def _logits(
    images: Num[Array, 'batch height width channels'],
    *,
    classifier: Classifier,
    variables: Mapping,
    floats: bool,
) -> Float[Array, 'batch ...']:
    logits = classifier.logits_of_floats if floats else classifier.logits
    return logits(variables, images)


def predictor(classifier: Classifier, variables: Mapping, *, floats: bool = False) -> Predict:
    """A classifier with these variables, as a function from uint8 images to logits.

    With `floats`, from floating-point images in the same units, 0 to 255. Compiled once per
    classifier, whatever its variables.

    >>> from cnn_jax.models import ConvNet1
    >>> from cnn_jax.strategies import Max
    >>> classifier = Classifier(ConvNet1(Max(), 10), mean=(0.5,), std=(0.25,))
    >>> variables = classifier.init(jax.random.key(0), (28, 28, 1))
    >>> predictor(classifier, variables)(jnp.zeros((2, 28, 28, 1), jnp.uint8)).shape
    (2, 10)
    """
    return partial(_logits, classifier=classifier, variables=variables, floats=floats)


def padded_batches(*arrays: np.ndarray, batch_size: int) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Splits arrays of equal length into batches of `batch_size`, the last padded by repetition.

    Yields the number of real examples in the batch, and the batch.

    >>> [(n, b.tolist()) for n, (b,) in padded_batches(np.arange(3), batch_size=2)]
    [(2, [0, 1]), (1, [2, 2])]
    """
    total = len(arrays[0])
    for start in range(0, total, batch_size):
        real = min(batch_size, total - start)
        index = np.minimum(np.arange(start, start + batch_size), total - 1)
        yield real, [array[index] for array in arrays]


def predict_outputs(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    batch_size: int = 256,
    shifts: Int[np.ndarray, 'images 2'] | None = None,
    border: str = 'zero',
) -> Num[np.ndarray, 'images *output']:
    """What `predict` returns for every image, each first shifted by its (dy, dx) in `shifts`.

    `predict` is any function from a batch of images to an array with one entry for each: logits,
    masks, heat maps, points. It always gets `batch_size` images, as a jax.Array in their own dtype,
    and may return any type that NumPy can read; for a PyTorch `net` that expects (batch, channels,
    height, width) it is

        lambda x: net(torch.tensor(np.asarray(x)).permute(0, 3, 1, 2)).detach()

    `border` ('zero' or 'circular') says what moves in; see `shift_images`. Raises BadInput where
    there are no images, they are not (images, height, width, channels), or `predict` does not
    return one entry for each.

    >>> images = np.arange(8, dtype=np.float32).reshape(2, 2, 2, 1)
    >>> predict_outputs(lambda x: x[..., 0], images, shifts=np.array([[0, 0], [0, 1]])).tolist()
    [[[0.0, 1.0], [2.0, 3.0]], [[0.0, 4.0], [0.0, 6.0]]]
    """
    images = np.asarray(images)
    require(
        images.ndim == 4 and len(images) > 0,
        f'images must be (images, height, width, channels), at least one; got {images.shape}.',
    )
    require(batch_size >= 1, f'batch_size must be at least 1; got {batch_size}.')
    moves = np.zeros((len(images), 2), np.int32) if shifts is None else shifts
    require(
        moves.shape == (len(images), 2),
        f'shifts must be (images, 2), one (dy, dx) for each of {len(images)} images; '
        f'got {moves.shape}.',
    )
    out = []
    for real, (batch, move) in padded_batches(images, moves, batch_size=batch_size):
        given = jnp.asarray(batch)
        moved = given if shifts is None else shifted(given, jnp.asarray(move), border=border)
        found = np.asarray(predict(moved))
        require(
            found.shape[:1] == (len(batch),),
            f'predict must return one entry for each of {len(batch)} images; '
            f'got {found.dtype} {found.shape}.',
        )
        out.append(found[:real])
    return np.concatenate(out)


def predict_logits(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    batch_size: int = 256,
    shifts: Int[np.ndarray, 'images 2'] | None = None,
    border: str = 'zero',
) -> Float[np.ndarray, 'images classes']:
    """The logits of every image, each first shifted by its (dy, dx) in `shifts` if given.

    `predict` is any function from a batch of images to their logits: `predictor(...)`, or a model
    from another library; see `predict_outputs`. Raises BadInput as that does, and where `predict`
    does not return one row of floating-point logits for each image.

    >>> def brightness(images):  # dark, bright
    ...     mean = images.mean((1, 2, 3))
    ...     return jnp.stack([1 - mean, mean], 1)
    >>> images = np.array([0.0, 1.0], np.float32).reshape(2, 1, 1, 1)
    >>> predict_logits(brightness, images).argmax(1).tolist()
    [0, 1]
    """

    def logits_of(batch: Array) -> np.ndarray:
        logits = np.asarray(predict(batch))
        require(
            logits.ndim == 2
            and len(logits) == len(batch)
            and jnp.issubdtype(logits.dtype, jnp.floating),
            f'predict must return floating logits of shape ({len(batch)}, classes) for images of '
            f'shape {batch.shape}; got {logits.dtype} {logits.shape}.',
        )
        return logits

    return predict_outputs(logits_of, images, batch_size=batch_size, shifts=shifts, border=border)
