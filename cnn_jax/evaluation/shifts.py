"""How small shifts of the image change the prediction.

Zhang (2019, section 4.1) draws one pair of shifts per batch, which gives few independent pairs and
allows two equal shifts, which are trivially consistent. Here every image draws its own pair of
different shifts from the run's seed.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int, Integer, Key, Num

from cnn_jax.errors import require
from cnn_jax.evaluation.accuracy import require_labels
from cnn_jax.evaluation.predict import Predict, padded_batches, predict_logits, shifted
from cnn_jax.ops.shifts import fourier_shift


def all_shifts(max_shift: int, size: tuple[int, int] | None = None) -> Int[np.ndarray, 'shifts 2']:
    """Every (dy, dx) in [-max_shift, max_shift]^2, row by row.

    Given the (height, width) of the images, an axis of one pixel is not moved, which would empty
    it: sequences, of height 1, move along their length alone.

    >>> all_shifts(1)[:4].tolist(), all_shifts(1, (1, 40)).tolist()
    ([[-1, -1], [-1, 0], [-1, 1], [0, -1]], [[0, -1], [0, 0], [0, 1]])
    """
    reach = range(-max_shift, max_shift + 1)
    axes = [reach if n > 1 else (0,) for n in size or (2, 2)]
    return np.array(list(itertools.product(*axes)), np.int32)


def draw_shift_pairs(
    key: Key[jax.Array, ''],
    images: int,
    *,
    max_shift: int,
    size: tuple[int, int] | None = None,
) -> Int[np.ndarray, 'images 2 2']:
    """Two different shifts for each image, uniform over all ordered pairs of different shifts.

    `size` is the (height, width) of the images, as in `all_shifts`.

    >>> pairs = draw_shift_pairs(jax.random.key(0), 1000, max_shift=1)
    >>> pairs.shape, bool((pairs[:, 0] == pairs[:, 1]).all(1).any())
    ((1000, 2, 2), False)
    """
    require(max_shift >= 1, f'max_shift must be at least 1 pixel; got {max_shift}.')
    shifts = all_shifts(max_shift, size)
    require(len(shifts) > 1, f'images of {size} pixels cannot be shifted: give larger ones.')
    first_key, step_key = jax.random.split(key)
    first = np.asarray(jax.random.randint(first_key, (images,), 0, len(shifts)))
    step = np.asarray(jax.random.randint(step_key, (images,), 1, len(shifts)))
    return np.stack([shifts[first], shifts[(first + step) % len(shifts)]], 1)


def shifted_answers(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    pairs: Int[np.ndarray, 'images 2 2'],
    *,
    border: str = 'zero',
    batch_size: int = 256,
) -> Integer[np.ndarray, 'images 2']:
    """The predicted class of each image under each of its two shifts.

    An image is consistent and right if both are its label: a network that always predicts the same
    class is consistent everywhere, but right only by chance.
    """
    how = {'border': border, 'batch_size': batch_size}
    answers = [
        predict_logits(predict, images, shifts=pairs[:, which], **how).argmax(1) for which in (0, 1)
    ]
    return np.stack(answers, 1)


def shift_consistency(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    key: Key[jax.Array, ''],
    max_shift: int = 3,
    border: str = 'zero',
    batch_size: int = 256,
) -> Float[np.ndarray, 'images']:
    """For each image, 1 if two random shifts of it get the same predicted class, else 0.

    The mean is the consistency of Zhang (2019, section 4.1), with one pair of shifts per image (see
    `draw_shift_pairs`). `predict` is any function from images to logits: see `predict_logits`.

    >>> def left(images):  # whether the left half is brighter than the right
    ...     return images.reshape(len(images), 2, 4).sum(2) * 1.0
    >>> images = np.array([1, 0, 0, 0, 0, 0, 0, 0], np.uint8).reshape(1, 1, 8, 1)
    >>> shift_consistency(left, images, key=jax.random.key(0), max_shift=1).tolist()
    [1.0]
    """
    pairs = draw_shift_pairs(key, len(images), max_shift=max_shift, size=images.shape[1:3])
    answers = shifted_answers(predict, images, pairs, border=border, batch_size=batch_size)
    return (answers[:, 0] == answers[:, 1]).astype(np.float32)


@jax.jit
def _between_pixels(images: jax.Array, halves: jax.Array) -> jax.Array:
    """Each image shifted by its (down, right), in half pixels, with a circular border."""
    one = jax.vmap(lambda image, half: fourier_shift(image[None], half[0] / 2, half[1] / 2)[0])
    return one(images, halves)


def half_pixel_consistency(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    key: Key[jax.Array, ''],
    max_shift: int = 3,
    batch_size: int = 256,
) -> Float[np.ndarray, 'images']:
    """For each image, 1 if two random shifts by whole or half pixels get the same class, else 0.

    As `shift_consistency`, but with a circular border and shifts by all multiples of half a pixel
    up to `max_shift`: between pixels the image is Fourier-interpolated (`fourier_shift`) and may
    leave its range. Michaeli et al., CVPR 2023, section 5, study such shifts, because a network can
    be consistent under circular shifts by whole pixels but not by fractions. `predict` gets
    floating-point images in the units of `images`: `predictor(classifier, variables, floats=True)`.

    >>> def left(images):
    ...     return images.reshape(len(images), 2, 2).sum(2) * 1.0
    >>> images = np.array([0, 1, 0, 0], np.float32).reshape(1, 1, 4, 1)
    >>> half_pixel_consistency(left, images, key=jax.random.key(0), max_shift=1).shape
    (1,)
    """
    pairs = draw_shift_pairs(key, len(images), max_shift=2 * max_shift, size=images.shape[1:3])
    values = np.asarray(images, np.float32)
    answers = []
    for which in (0, 1):
        logits = [
            np.asarray(predict(_between_pixels(jnp.asarray(batch), jnp.asarray(halves))))[:real]
            for real, (batch, halves) in padded_batches(
                values, pairs[:, which], batch_size=batch_size
            )
        ]
        answers.append(np.concatenate(logits).argmax(1))
    return (answers[0] == answers[1]).astype(np.float32)


def correct_under_all_shifts(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    labels: Integer[np.ndarray, 'images'],
    *,
    max_shift: int,
    border: str = 'zero',
    batch_size: int = 256,
) -> Bool[np.ndarray, 'images']:
    """Whether each image is classified right under all shifts of `all_shifts`."""
    require_labels(labels, len(images))
    right = np.ones(len(images), bool)
    for shift in all_shifts(max_shift, images.shape[1:3]):
        shifts = np.tile(shift, (len(images), 1))
        logits = predict_logits(
            predict, images, shifts=shifts, border=border, batch_size=batch_size
        )
        right &= logits.argmax(1) == labels
    return right


def shift_map(
    predict: Predict,
    image: Num[np.ndarray, 'height width channels'],
    label: int,
    *,
    max_shift: int,
    border: str = 'zero',
) -> Float[np.ndarray, 'side side']:
    """The probability of class `label` with the image shifted by each (dy, dx).

    Row = dy and column = dx, from -max_shift to max_shift: the centre is the unshifted image. Where
    an axis has one pixel and is not moved, the map is constant along it.
    """
    shifts = all_shifts(max_shift, image.shape[:2])
    images = np.broadcast_to(image, (len(shifts), *image.shape))
    logits = predict_logits(predict, images, batch_size=len(shifts), shifts=shifts, border=border)
    side = 2 * max_shift + 1
    moved = [side if n > 1 else 1 for n in image.shape[:2]]
    found = np.asarray(jax.nn.softmax(logits))[:, label].reshape(moved)
    return np.broadcast_to(found, (side, side))


def averaged_over_shifts(predict: Predict, *, max_shift: int = 1, border: str = 'zero') -> Predict:
    """The log of the mean probability over all shifts of up to `max_shift` pixels each way.

    Test-time averaging: a control for the consistency gained by changing the network. It costs
    (2 max_shift + 1)^2 forward passes.

    >>> def left(images):  # whether the left half is brighter than the right
    ...     return images.reshape(len(images), 2, 2).sum(2) * 1.0
    >>> image = jnp.array([0, 1, 0, 0], jnp.uint8).reshape(1, 1, 4, 1)
    >>> averaged_over_shifts(left)(image).shape
    (1, 2)
    """
    require(max_shift >= 1, f'max_shift must be at least 1 pixel; got {max_shift}.')

    def averaged(images: jax.Array) -> jax.Array:
        total = 0.0
        _, height, width, _ = images.shape
        shifts = all_shifts(max_shift, (height, width))
        for shift in shifts:
            moved = shifted(images, jnp.tile(shift, (len(images), 1)), border=border)
            total += jax.nn.softmax(jnp.asarray(np.asarray(predict(moved))))
        return jnp.log(total / len(shifts))

    return averaged
