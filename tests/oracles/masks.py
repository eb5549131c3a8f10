"""Measures of masks, pixel by pixel from the definitions."""

import math

import numpy as np


def ious(predicted, masks, classes, chosen=lambda mask, image, y, x, c: mask[image, y, x] == c):
    """IoU of each class over all images; None for classes in neither. 255 is not judged."""
    out: list[float | None] = []
    for c in range(classes):
        both = either = 0
        for image, y, x in np.ndindex(*masks.shape):
            if masks[image, y, x] == 255:
                continue
            one, two = (chosen(m, image, y, x, c) for m in (predicted, masks))
            both += one and two
            either += one or two
        out.append(both / either if either else None)
    return out


def mean(values):
    there = [v for v in values if v is not None]
    return sum(there) / len(there)


def boundary_ious(predicted, masks, classes, distance):
    """Of the pixels of a region with a pixel at most `distance` away that is not of the region."""
    judged = np.where(masks == 255, 255, predicted)

    def near_contour(mask, image, y, x, c):
        mask = judged if mask is predicted else mask
        height, width = mask.shape[1:]
        if mask[image, y, x] != c:
            return False
        reach = range(-distance, distance + 1)
        return any(
            not (0 <= y + i < height and 0 <= x + j < width) or mask[image, y + i, x + j] != c
            for i in reach
            for j in reach
        )

    return ious(predicted, masks, classes, near_contour)


def agreement(first, second, pair, border, foreground):
    """The share of the unshifted image's pixels whose class is the same in both masks."""
    height, width = first.shape
    same = counted = 0
    for y, x in np.ndindex(height, width):
        found = []
        for mask, (dy, dx) in zip((first, second), pair, strict=True):
            row, column = y + dy, x + dx
            if border == 'circular':
                found.append(mask[row % height, column % width])
            elif 0 <= row < height and 0 <= column < width:
                found.append(mask[row, column])
        if len(found) == 2 and not (foreground and found[0] == found[1] == 0):
            counted += 1
            same += found[0] == found[1]
    return same / counted if counted else math.nan
