"""Labels of every task: their form, and what is refused."""

import numpy as np
import pytest

from cnn_jax.data import Dataset, Split, split_validation
from cnn_jax.data.load import fit_dataset
from cnn_jax.data.resize import ImageSize, fit_boxes, fit_image, fit_mask, fit_points
from cnn_jax.errors import BadInput

IMAGES = np.zeros((2, 4, 6, 3), np.uint8)
MASKS = np.zeros((2, 4, 6), np.uint8)
BOXES = np.array([[[0, 1, 4, 6, 1], [-1] * 5], [[-1] * 5, [-1] * 5]], np.float32)
POINTS = np.array([[[0, 0], [-0.5, 5.5]], [[3.5, -0.5], [1.25, 2]]], np.float32)
GOOD = {'segmentation': MASKS, 'detection': BOXES, 'keypoints': POINTS}


def a_dataset(task: str, labels: np.ndarray) -> Dataset:
    good = Split(IMAGES, GOOD[task])
    return Dataset('mine', good, Split(IMAGES, labels), ('a', 'b'), task=task)


def changed(labels: np.ndarray, place: tuple, value: object) -> np.ndarray:
    labels = labels.copy()
    labels[place] = value
    return labels


@pytest.mark.parametrize('task', GOOD)
def test_every_task_has_its_labels(task: str):
    dataset = a_dataset(task, GOOD[task])
    assert (dataset.task, dataset.num_classes, len(dataset.train)) == (task, 2, 2)
    rest, validation = split_validation(dataset.train, fraction=0.5, seed=0)
    assert rest.labels.shape[1:] == validation.labels.shape[1:] == GOOD[task].shape[1:]
    other = changed(GOOD[task], (0, 0, 0), 0.5 if task != 'segmentation' else 1)
    assert a_dataset(task, other).fingerprint != dataset.fingerprint
    with pytest.raises(ValueError, match='read-only'):
        dataset.test.labels[:] = 0


def test_no_box_and_no_judged_pixel_are_allowed():
    assert a_dataset('detection', BOXES[:, :0]).test.labels.shape == (2, 0, 5)
    a_dataset('segmentation', np.full_like(MASKS, 255))


@pytest.mark.parametrize(
    ('task', 'place', 'value', 'message'),
    [
        ('segmentation', (1, 2, 5), 2, r'mine: test image 1 has the class id 2 at pixel \(2, 5\)'),
        ('detection', (0, 0, 2), 0, r'test image 0: box 0, \[0, 1, 0, 6, 1\], is empty'),
        ('detection', (0, 0, 3), 0.5, r'box 0, .* is empty'),
        ('detection', (0, 0, 3), 6.1, r'box 0, .* lies outside the image of 4x6 pixels'),
        ('detection', (0, 0, 1), -1, r'\[0, -1, 4, 6, 1\], lies outside'),
        ('detection', (0, 0, 4), 2, r'has a class id outside \[0, 2\)'),
        ('detection', (0, 0, 4), 0.5, r'has a class id outside \[0, 2\)'),
        ('detection', (1, 1, 0), 0, r'test image 1: box 1, \[0, -1, -1, -1, -1\]'),
        ('detection', (0, 0, 0), np.nan, r'box 0, \[nan, .* is not finite'),
        ('keypoints', (1, 1, 0), 3.6, r'test image 1: keypoint 1 \(b\) at \(3.6, 2\) is outside'),
        ('keypoints', (0, 0, 1), -0.6, r'to \(3.5, 5.5\)'),
        ('keypoints', (0, 0, 1), np.inf, r'keypoint 0 \(a\) at \(0, inf\)'),
        ('keypoints', (0, 0, 1), np.nan, r'keypoint 0 \(a\) at \(0, nan\)'),
    ],
)
def test_a_bad_label_is_named(task: str, place: tuple, value: object, message: str):
    with pytest.raises(BadInput, match=message):
        a_dataset(task, changed(GOOD[task], place, value))


@pytest.mark.parametrize(
    ('labels', 'message'),
    [
        (MASKS[:, :3], r'masks are \(3, 6\) but images \(4, 6\)'),
        (MASKS.astype(np.int32), r'labels are int32 of shape \(2, 4, 6\): give one of int32 \(n,'),
        (BOXES.astype(np.float64), 'labels are float64'),
        (BOXES[..., :4], r'labels are float32 of shape \(2, 2, 4\)'),
        (POINTS[:1], '2 images but 1 labels'),
    ],
)
def test_other_forms_are_refused(labels: np.ndarray, message: str):
    with pytest.raises(BadInput, match=message):
        Split(IMAGES, labels)


def test_labels_of_another_task_and_unknown_tasks_are_refused():
    split = Split(IMAGES, POINTS)
    with pytest.raises(BadInput, match='for keypoints; detection needs float32'):
        Dataset('mine', split, split, ('a', 'b'), task='detection')
    with pytest.raises(BadInput, match="unknown task 'segment': did you mean 'segmentation'?"):
        Dataset('mine', split, split, ('a', 'b'), task='segment')
    with pytest.raises(BadInput, match='2 keypoints each, and class_names 3 names'):
        Dataset('mine', split, split, ('a', 'b', 'c'), task='keypoints')
    masks = Split(IMAGES, MASKS)
    with pytest.raises(BadInput, match='256 classes: give names for 1 to 255'):
        Dataset('mine', masks, masks, tuple(map(str, range(256))), task='segmentation')


@pytest.mark.parametrize('size', [(8, 12), (12, 8), (3, 3), (7, 20)])
def test_masks_boxes_and_points_follow_the_image(size: tuple[int, int]):
    """A bright block in an image: its mask, box and centre stay on it."""
    image = np.zeros((24, 24, 1), np.uint8)
    image[8:16, 10:18] = 255
    box = np.array([[8, 10, 16, 18, 0]], np.float32)
    fitted = fit_image(image, ImageSize(*size))[..., 0] / 255
    low_y, low_x, high_y, high_x, _ = fit_boxes(box, (24, 24), ImageSize(*size))[0]
    inside = fit_mask(image[..., 0] // 255, ImageSize(*size))
    assert abs(fitted.sum() - (high_y - low_y) * (high_x - low_x)) < 0.1 * fitted.sum() + 1
    assert abs(inside.astype(float) - fitted).max() <= 0.6
    ((y, x),) = fit_points(np.array([[11.5, 13.5]], np.float32), (24, 24), ImageSize(*size))
    assert (y, x) == pytest.approx(((low_y + high_y) / 2 - 0.5, (low_x + high_x) / 2 - 0.5))


def test_a_whole_set_is_fitted():
    size = ImageSize(8, 8)
    masks = fit_dataset(a_dataset('segmentation', MASKS + 1), size)
    assert masks.image_shape == (8, 8, 3) and (masks.test.labels == 1).all()
    boxes = fit_dataset(a_dataset('detection', BOXES), size).train.labels
    assert boxes[0, 0].tolist() == [0, 0, 8, 8, 1] and (boxes[1] == -1).all()
    with pytest.raises(BadInput, match='train image 0: keypoint 0 .* is outside the image'):
        fit_dataset(a_dataset('keypoints', POINTS), size)
    inner = changed(POINTS, (slice(None), slice(None), 1), 2.5)
    points = Split(IMAGES, inner)
    fitted = fit_dataset(Dataset('mine', points, points, ('a', 'b'), 'keypoints'), size)
    assert fitted.train.labels[0, 0].tolist() == [0.5, 3.5]
