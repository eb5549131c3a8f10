"""The losses of every task, by loops in float64."""

import math

import jax
import jax.numpy as jnp
import numpy as np

from cnn_jax.training import OBJECTIVES
from cnn_jax.training.objectives import heat_map_targets

DRAW = np.random.default_rng(0)


def cross_entropy_of_pixel(logits: np.ndarray, label: int) -> float:
    shifted = logits.astype(np.float64) - logits.max()
    return math.log(np.exp(shifted).sum()) - float(shifted[label])


def test_the_loss_of_masks_by_loops_and_without_ignored_pixels():
    logits = DRAW.normal(size=(3, 2, 3, 4)).astype(np.float32)
    masks = DRAW.integers(0, 4, (3, 2, 3)).astype(np.uint8)
    masks[0, 0, 1] = masks[1] = 255  # one pixel of the first image, all of the second
    found = OBJECTIVES['segmentation'].losses(jnp.asarray(logits), jnp.asarray(masks))
    for image, (of_image, mask) in enumerate(zip(logits, masks, strict=True)):
        losses = [
            cross_entropy_of_pixel(of_image[place], mask[place])
            for place in np.ndindex(mask.shape)
            if mask[place] != 255
        ]
        expected = sum(losses) / len(losses) if losses else 0.0
        np.testing.assert_allclose(found[image], expected, rtol=1e-5)


def test_the_gradient_of_an_ignored_pixel_is_zero_and_no_other_is():
    logits = jnp.asarray(DRAW.normal(size=(1, 2, 2, 3)).astype(np.float32))
    masks = jnp.asarray(np.array([[[0, 255], [1, 2]]], np.uint8))
    slope = jax.grad(lambda x: OBJECTIVES['segmentation'].losses(x, masks).sum())(logits)
    size = np.abs(np.asarray(slope)).sum(-1)[0]
    assert size[0, 1] == 0 and (size[[0, 1, 1], [0, 0, 1]] > 0).all()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def detection_by_loops(outputs: np.ndarray, boxes: np.ndarray, stride: float):
    """Equations 1 to 4 of arXiv:1904.07850 for one image."""
    rows, columns, channels = outputs.shape
    classes = channels - 4
    real = [box for box in boxes.astype(np.float64) if box[4] >= 0]
    heat = np.zeros((rows, columns, classes))
    rest = 0.0
    for top, left, bottom, right, of_class in real:
        centre = (top + bottom) / 2 / stride, (left + right) / 2 / stride
        cell = math.floor(centre[0]), math.floor(centre[1])
        scale = 0.25 * math.sqrt((bottom - top) * (right - left)) / stride
        for y, x in np.ndindex(rows, columns):
            squared = (y - cell[0]) ** 2 + (x - cell[1]) ** 2
            value = math.exp(-squared / (2 * scale**2))
            heat[y, x, int(of_class)] = max(heat[y, x, int(of_class)], value)
        height, width, down, along = outputs[cell[0], cell[1], classes:].astype(np.float64)
        rest += abs(down - (centre[0] - cell[0])) + abs(along - (centre[1] - cell[1]))
        rest += 0.1 * (abs(height - (bottom - top)) + abs(width - (right - left)))
    focal = 0.0
    for place in np.ndindex(heat.shape):
        seen = sigmoid(float(outputs[place]))
        if heat[place] == 1:
            focal -= (1 - seen) ** 2 * math.log(seen)
        else:
            focal -= (1 - heat[place]) ** 4 * seen**2 * math.log(1 - seen)
    return (focal + rest) / max(1, len(real))


def test_the_loss_of_boxes_by_loops():
    outputs = DRAW.normal(size=(4, 5, 6, 7)).astype(np.float32)
    boxes = np.full((4, 3, 5), -1, np.float32)
    boxes[0, :2] = [[1, 2, 9, 12, 0], [4, 4, 20, 24, 2]]
    boxes[1, 1] = [0, 0, 3, 2, 1]  # not the first row
    boxes[2] = [[1, 2, 9, 12, 0], [2, 2, 8, 12, 0], [12, 12, 20, 24, 0]]  # two centres in one cell
    found = OBJECTIVES['detection'].losses(jnp.asarray(outputs), jnp.asarray(boxes))
    for one, of_image, its_boxes in zip(found, outputs, boxes, strict=True):
        np.testing.assert_allclose(one, detection_by_loops(of_image, its_boxes, 4), rtol=1e-4)
    slope = jax.grad(lambda x: OBJECTIVES['detection'].losses(x, jnp.asarray(boxes)).sum())
    assert bool(jnp.isfinite(slope(jnp.asarray(outputs))).all())


def test_every_box_has_one_cell_and_its_peak():
    boxes = np.full((1, 4, 5), -1, np.float32)
    boxes[0, :3] = [[0, 0, 1, 1, 0], [16, 20, 20, 24, 1], [3, 3, 5, 5, 1]]  # both corners, an edge
    heat, cells = heat_map_targets(jnp.asarray(boxes), (5, 6), 2, 4.0)
    np.testing.assert_array_equal(np.asarray(cells).sum((2, 3)), [[1, 1, 1, 0]])
    assert [heat[0, 0, 0, 0], heat[0, 4, 5, 1], heat[0, 1, 1, 1]] == [1, 1, 1]
    assert heat.max() == 1 and heat.min() >= 0


def test_the_loss_of_keypoints_by_hand():
    points = jnp.array([[[0.0, 0.0], [2.0, 2.0]]])
    truth = jnp.array([[[0.5, 0.0], [2.0, 5.0]]])
    found = OBJECTIVES['keypoints'].losses(points, truth)
    np.testing.assert_allclose(found, [(0.5**2 / 2 + 0 + 0 + 2.5) / 4])
