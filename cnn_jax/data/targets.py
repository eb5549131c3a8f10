"""The tasks of data sets, the form of the labels for each, and the checks of their values.

    classification  int32    (n,)                 class ids
    segmentation    uint8    (n, height, width)   class ids, 255 where a pixel is not judged
    detection       float32  (n, boxes, 5)        y_low, x_low, y_high, x_high, class id
    keypoints       float32  (n, keypoints, 2)    y, x

Boxes are in pixels, of which the first covers [0, 1) x [0, 1); a row that holds no box is all -1.
Keypoints are in pixels too, but with the centre of the first pixel at (0, 0), so that a whole
number is the index of a pixel.
"""

import numpy as np
from jaxtyping import Bool, Float

from cnn_jax.errors import BadInput, require, unknown_name

IGNORED = 255
"""The class id of pixels that are not judged."""

TASKS = ('classification', 'segmentation', 'detection', 'keypoints')
_FORMS = {
    'classification': 'int32 (n,) class ids',
    'segmentation': 'uint8 (n, height, width) masks',
    'detection': 'float32 (n, boxes, 5) boxes',
    'keypoints': 'float32 (n, keypoints, 2) points',
}


def task_of(labels: np.ndarray) -> str | None:
    """The task whose labels have this dtype and rank, or None.

    >>> task_of(np.zeros((3, 8, 8), np.uint8)), task_of(np.zeros(3))
    ('segmentation', None)
    """
    last = labels.shape[-1] if labels.ndim == 3 else 0
    if labels.dtype == np.int32 and labels.ndim == 1:
        return 'classification'
    if labels.dtype == np.uint8 and labels.ndim == 3:
        return 'segmentation'
    return {5: 'detection', 2: 'keypoints'}.get(last if labels.dtype == np.float32 else 0)


def check_form(images: np.ndarray, labels: np.ndarray) -> None:
    """Raises BadInput unless `labels` have the form of some task, and fit the images in number
    and, if they are masks, in size."""
    forms = ', '.join(_FORMS.values())
    task = task_of(labels)
    require(
        task is not None,
        f'labels are {labels.dtype} of shape {labels.shape}: give one of {forms}.',
    )
    require(
        len(images) == len(labels),
        f'{len(images)} images but {len(labels)} labels: give one label per image.',
    )
    require(
        task != 'segmentation' or labels.shape[1:] == images.shape[1:3],
        f'masks are {labels.shape[1:]} but images {images.shape[1:3]} (height, width): '
        'give one class id for each pixel.',
    )


def check_values(
    task: str,
    labels: np.ndarray,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    split: tuple[str, str],
) -> None:
    """Raises BadInput for the first label that the task does not allow.

    size: (height, width) of the images. split: the names of the set and of the split, for messages.

    >>> masks = np.full((1, 2, 2), 7, np.uint8)
    >>> check_values(
    ...     'segmentation', masks, size=(2, 2), class_names=('a', 'b'), split=('mine', 'test')
    ... )
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: mine: test image 0 has the class id 7 at pixel (0, 0), outside [0, 2)
    and not 255: correct the mask or give a name for every class.
    """
    if task not in TASKS:
        raise unknown_name('task', str(task), TASKS)
    found, where = task_of(labels), ': '.join(split)
    require(
        found == task,
        f'{where} labels are {labels.dtype} of shape {labels.shape}, for {found}; '
        f'{task} needs {_FORMS[task]}.',
    )
    if task == 'classification':
        _check_classes(labels, len(class_names), *split)
    elif task == 'segmentation':
        _check_masks(labels, len(class_names), where)
    elif task == 'detection':
        _check_boxes(labels, size, len(class_names), where)
    else:
        _check_points(labels, size, class_names, where)


def is_box(boxes: Float[np.ndarray, '*rows 5']) -> Bool[np.ndarray, '*rows']:
    """Which rows hold a box: all but those that are -1 throughout.

    >>> is_box(np.array([[0, 0, 2, 2, 0], [-1, -1, -1, -1, -1]], np.float32)).tolist()
    [True, False]
    """
    return np.asarray((boxes != -1).any(-1))


def _first(bad: np.ndarray) -> tuple[int, ...] | None:
    """The index of the first True."""
    return tuple(map(int, np.argwhere(bad)[0])) if bad.any() else None


def _check_classes(labels: np.ndarray, classes: int, name: str, part: str) -> None:
    bad = _first((labels < 0) | (labels >= classes))
    if bad is not None:
        raise BadInput(
            f'{name}: label {labels[bad]} of {part} image {bad[0]} is outside [0, {classes}): '
            'correct the labels or give a name for every class.'
        )


def _check_masks(masks: np.ndarray, classes: int, where: str) -> None:
    require(
        0 < classes <= IGNORED,
        f'{where} masks have {classes} classes: give names for 1 to {IGNORED}.',
    )
    bad = _first((masks >= classes) & (masks != IGNORED))
    if bad is not None:
        image, row, column = bad
        raise BadInput(
            f'{where} image {image} has the class id {masks[bad]} at pixel ({row}, {column}), '
            f'outside [0, {classes}) and not {IGNORED}: '
            'correct the mask or give a name for every class.'
        )


def _check_boxes(boxes: np.ndarray, size: tuple[int, int], classes: int, where: str) -> None:
    there = is_box(boxes)
    low, high, ids = boxes[..., :2], boxes[..., 2:4], boxes[..., 4]
    kinds = {
        'is not finite': ~np.isfinite(boxes).all(-1),
        f'has a class id outside [0, {classes})': (ids < 0) | (ids >= classes) | (ids % 1 != 0),
        'is empty (its high end must be above its low end)': (high <= low).any(-1),
        f'lies outside the image of {size[0]}x{size[1]} pixels': (
            (low < 0).any(-1) | (high > np.array(size)).any(-1)
        ),
    }
    for said, wrong in kinds.items():
        bad = _first(there & wrong)
        if bad is not None:
            row = ', '.join(f'{value:g}' for value in boxes[bad])
            raise BadInput(
                f'{where} image {bad[0]}: box {bad[1]}, [{row}], {said}: give y_low, x_low, '
                'y_high, x_high in pixels and the class id, or -1 throughout for no box.'
            )


def _check_points(
    points: np.ndarray, size: tuple[int, int], names: tuple[str, ...], where: str
) -> None:
    require(
        points.shape[1] == len(names) > 0,
        f'{where} images have {points.shape[1]} keypoints each, and class_names '
        f'{len(names)} names: give one name for each keypoint.',
    )
    most = np.array(size) - 0.5
    inside = np.asarray((points >= -0.5) & (points <= most))  # False for NaN
    bad = _first(np.asarray(~inside.all(-1)))
    if bad is not None:
        y, x = points[bad]
        raise BadInput(
            f'{where} image {bad[0]}: keypoint {bad[1]} ({names[bad[1]]}) at ({y:g}, {x:g}) is '
            f'outside the image, which reaches from -0.5 to ({most[0]:g}, {most[1]:g}).'
        )
