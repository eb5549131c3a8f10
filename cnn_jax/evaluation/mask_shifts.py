"""How small shifts of the image change the predicted mask."""

import jax
import numpy as np
from jaxtyping import Float, Integer, Key, Num

from cnn_jax.errors import require
from cnn_jax.evaluation.masks import predict_masks
from cnn_jax.evaluation.predict import Predict
from cnn_jax.evaluation.shifts import draw_shift_pairs


def mask_shift_consistency(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    key: Key[jax.Array, ''],
    max_shift: int = 3,
    border: str = 'zero',
    foreground: bool = False,
    batch_size: int = 256,
) -> Float[np.ndarray, 'images']:
    """For each image, the share of pixels that get the same class under two random shifts of it.

    The mean is mASSC, the mean average segmentation shift consistency of Rojas-Gomez et al.
    (Learnable Polyphase Sampling, NeurIPS 2022): both predicted masks are moved back by their
    shifts and compared pixel by pixel, over all pixels where the border is circular, and over those
    that both shifts leave in the image where it is 'zero'. Shifts are drawn as in
    `shift_consistency`. `predict` is any function from images to logits (batch, height, width,
    classes).

    foreground: count only pixels that are not of class 0 in at least one of the two masks: where
    most pixels are background, the plain share is near 1 for any network. NaN for images of which
    both masks are all background: average with `np.nanmean`.

    >>> images = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    >>> bright = lambda x: np.concatenate([7.5 + 0 * x, x], -1)
    >>> mask_shift_consistency(bright, images, key=jax.random.key(0), max_shift=1).tolist()
    [1.0]
    """
    height, width = images.shape[1:3]
    require(
        border == 'circular' or 2 * max_shift < min(height, width),
        f'max_shift {max_shift} may leave nothing of an image of {height}x{width} pixels to '
        f'compare: at most {(min(height, width) - 1) // 2}.',
    )
    pairs = draw_shift_pairs(key, len(images), max_shift=max_shift)
    how = {'border': border, 'batch_size': batch_size}
    first, second = (
        predict_masks(predict, images, shifts=pairs[:, which], **how) for which in (0, 1)
    )
    shares = [
        agreement(a, b, pair, border=border, foreground=foreground)
        for a, b, pair in zip(first, second, pairs, strict=True)
    ]
    return np.array(shares, np.float32)


def agreement(
    first: Integer[np.ndarray, 'height width'],
    second: Integer[np.ndarray, 'height width'],
    pair: Integer[np.ndarray, '2 2'],
    *,
    border: str,
    foreground: bool = False,
) -> float:
    """The share of pixels in which masks of an image under the two shifts in `pair` agree.

    >>> a, b = np.array([[0, 1, 2]]), np.array([[1, 2, 2]])  # b moved left by one more
    >>> agreement(a, b, np.array([[0, 0], [0, -1]]), border='zero')
    1.0
    """
    back = [np.roll(m, tuple(-s), (0, 1)) for m, s in zip((first, second), pair, strict=True)]
    if border == 'zero':
        sizes = np.array(first.shape)
        low, high = np.maximum(-pair.min(0), 0), sizes - np.maximum(pair.max(0), 0)
        back = [m[low[0] : high[0], low[1] : high[1]] for m in back]
    counted = (back[0] != 0) | (back[1] != 0) if foreground else np.ones(back[0].shape, bool)
    same = (back[0] == back[1])[counted]
    return float(same.mean()) if same.size else float('nan')
