"""Measures of detections, one at a time from the definitions."""

import math


def iou(a, b):
    height = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    width = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]) for box in (a, b)]
    either = sum(areas) - height * width
    return height * width / either if either > 0 else 0.0


def average_precision(boxes, scores, classes, truth, kind, threshold):
    """For each detection, in turn, whether it takes a box; then the curve and its steps."""
    queue = [
        (-scores[i][j], i, j)
        for i in range(len(boxes))
        for j in range(len(boxes[i]))
        if classes[i][j] == kind
    ]
    total = sum(row[4] == kind and any(v != -1 for v in row) for rows in truth for row in rows)
    taken: set[tuple[int, int]] = set()
    curve = []
    right = 0
    for rank, (_, i, j) in enumerate(sorted(queue), 1):
        best, best_iou = None, -1.0
        for k, row in enumerate(truth[i]):
            real = row[4] == kind and any(v != -1 for v in row)
            if real and (i, k) not in taken and iou(boxes[i][j], row) > best_iou:
                best, best_iou = k, iou(boxes[i][j], row)
        if best is not None and best_iou >= threshold:
            taken.add((i, best))
            right += 1
        curve.append((right / total, right / rank))
    area, before = 0.0, 0.0
    for recall in sorted({r for r, _ in curve}):
        area += (recall - before) * max(p for r, p in curve if r >= recall)
        before = recall
    return area


def mean_average_precision(boxes, scores, classes, truth, thresholds):
    kinds = {row[4] for rows in truth for row in rows if any(v != -1 for v in row)}
    found = [
        average_precision(boxes, scores, classes, truth, kind, threshold)
        for kind in kinds
        for threshold in thresholds
    ]
    return sum(found) / len(found)


def decoded(output, classes, stride, most):
    """The boxes of one image, as (box, score, class), in order."""
    rows, columns = output.shape[:2]
    peaks = []
    for i in range(rows):
        for j in range(columns):
            for c in range(classes):
                around = [
                    output[y, x, c]
                    for y in range(max(0, i - 1), min(rows, i + 2))
                    for x in range(max(0, j - 1), min(columns, j + 2))
                ]
                if output[i, j, c] >= max(around):
                    height, width, down, right = output[i, j, classes:]
                    y, x = (i + down) * stride, (j + right) * stride
                    h, w = max(height, 0) / 2, max(width, 0) / 2
                    score = 1 / (1 + math.exp(-output[i, j, c]))
                    peaks.append(((y - h, x - w, y + h, x + w), score, c))
    return sorted(peaks, key=lambda peak: -peak[1])[:most]
