"""How well masks are predicted: over whole regions, and along their contours."""

import numpy as np
from jaxtyping import Array, Bool, Float, Int, Integer, Num, UInt8
from scipy.ndimage import binary_erosion

from cnn_jax.data import IGNORED
from cnn_jax.errors import require
from cnn_jax.evaluation.predict import Predict, predict_outputs


def predict_masks(
    predict: Predict,
    images: Num[np.ndarray, 'images height width channels'],
    *,
    batch_size: int = 256,
    shifts: Int[np.ndarray, 'images 2'] | None = None,
    border: str = 'zero',
) -> UInt8[np.ndarray, 'images height width']:
    """The class with the largest logit at each pixel; at ties the first.

    `predict` is any function from images to logits (batch, height, width, classes), of which there
    may be 255; see `predict_outputs` for the rest.

    >>> images = np.array([0.2, 0.9], np.float32).reshape(1, 1, 2, 1)
    >>> predict_masks(lambda x: np.concatenate([0.5 + 0 * x, x], -1), images).tolist()
    [[[0, 1]]]
    """

    def masks_of(batch: Array) -> np.ndarray:
        logits = np.asarray(predict(batch))
        require(
            logits.ndim == 4 and logits.shape[:3] == batch.shape[:3] and logits.shape[3] <= IGNORED,
            f'predict must return logits {(*batch.shape[:3], "classes")}, of up to {IGNORED} '
            f'classes, for images of shape {batch.shape}; got {logits.shape}.',
        )
        return logits.argmax(-1).astype(np.uint8)

    return predict_outputs(masks_of, images, batch_size=batch_size, shifts=shifts, border=border)


def class_ious(
    predicted: Integer[np.ndarray, 'images height width'],
    masks: Integer[np.ndarray, 'images height width'],
    num_classes: int,
) -> Float[np.ndarray, '{num_classes}']:
    """The intersection over union of each class, over all pixels of all images together.

    Pixels with the id 255 in `masks` do not count. NaN for a class that is in neither.

    >>> class_ious(np.array([[[0, 1, 1]]]), np.array([[[0, 0, 255]]]), 3).tolist()
    [0.5, 0.0, nan]
    """
    predicted, masks = _checked(predicted, masks, num_classes)
    judged = masks != IGNORED
    pairs = masks[judged].astype(np.int64) * num_classes + predicted[judged]
    confusion = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    both = confusion.diagonal()
    return _ratios(both, confusion.sum(0) + confusion.sum(1) - both)


def mean_iou(
    predicted: Integer[np.ndarray, 'images height width'],
    masks: Integer[np.ndarray, 'images height width'],
    num_classes: int,
) -> float:
    """Mean intersection over union: TP / (TP + FP + FN) over all pixels, averaged over classes.

    Everingham et al. (IJCV 2010; PASCAL VOC's accuracy of segmentation): one confusion
    matrix for all images, and not a mean over images. Pixels with the id 255 in `masks` do not
    count; classes in neither the predicted nor the true masks are left out.

    Raises BadInput for arrays of different shapes, class ids outside [0, num_classes), and masks
    without a judged pixel.

    >>> mean_iou(np.array([[[0, 1, 1]]]), np.array([[[0, 0, 1]]]), 2)
    0.5
    """
    return _mean(class_ious(predicted, masks, num_classes))


def boundary_iou(
    predicted: Integer[np.ndarray, 'images height width'],
    masks: Integer[np.ndarray, 'images height width'],
    num_classes: int,
    *,
    distance: int | None = None,
) -> float:
    """Mean IoU of the strips along the contours alone, which small errors there do not leave alone.

    Cheng et al., CVPR 2021 (Boundary IoU): for each class the intersection over union of those
    pixels of the true and of the predicted region that are within `distance` of the region's own
    contour: here, as in the authors' code, those that do not survive an erosion by a square of
    2 distance + 1 pixels, and what lies outside the image belongs to no region. By default the
    distance is theirs, 2% of the image's diagonal, rounded, and at least one pixel. As in
    `mean_iou`, pixels are counted over all images, pixels with the id 255 do not count (they belong
    to no region, so contours run along them too), and classes in neither are left out.

    >>> masks = np.zeros((1, 9, 9), np.uint8)
    >>> masks[0, 2:7, 2:7] = 1
    >>> thinner = np.where(np.roll(masks, 1, axis=2) == 1, masks, 0)
    >>> round(mean_iou(thinner, masks, 2), 3), round(boundary_iou(thinner, masks, 2), 3)
    (0.859, 0.691)
    """
    predicted, masks = _checked(predicted, masks, num_classes)
    if distance is None:
        distance = max(1, round(0.02 * float(np.hypot(*masks.shape[1:]))))
    require(distance >= 1, f'distance must be at least 1 pixel; got {distance}.')
    judged = masks != IGNORED
    both, either = np.zeros((2, num_classes), np.int64)
    for c in range(num_classes):
        strips = [_strip((given == c) & judged, distance) for given in (predicted, masks)]
        both[c] = (strips[0] & strips[1]).sum()
        either[c] = (strips[0] | strips[1]).sum()
    return _mean(_ratios(both, either))


def _strip(
    region: Bool[np.ndarray, 'images height width'], distance: int
) -> Bool[np.ndarray, 'images height width']:
    """The pixels of a region that are at most `distance` from its contour."""
    side = 2 * distance + 1
    inner = binary_erosion(region, np.ones((1, side, 1), bool))
    return region & np.logical_not(binary_erosion(inner, np.ones((1, 1, side), bool)))


def _checked(
    predicted: np.ndarray, masks: np.ndarray, num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    require(
        predicted.shape == masks.shape and masks.ndim == 3,
        f'predicted and true masks must be (images, height, width) both; got {predicted.shape} '
        f'and {masks.shape}.',
    )
    for kind, given, allowed in (
        ('predicted', predicted, 'the predicted class of each pixel'),
        ('true', masks[masks != IGNORED], f'or {IGNORED} for pixels that are not judged'),
    ):
        bad = given[(given < 0) | (given >= num_classes)]
        require(
            bad.size == 0,
            f'{kind} masks hold the class id {bad[:1].sum()}: give ids in [0, {num_classes}), '
            f'{allowed}.',
        )
    return predicted, masks


def _ratios(both: np.ndarray, either: np.ndarray) -> np.ndarray:
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def _mean(ious: np.ndarray) -> float:
    require(
        bool(np.isfinite(ious).any()),
        'the masks hold no judged pixel: there is nothing to measure.',
    )
    return float(np.nanmean(ious))
