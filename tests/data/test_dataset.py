import hashlib
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from cnn_jax.data import Dataset, Split
from cnn_jax.errors import BadInput

IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4, 1)
LABELS = np.array([0, 1], np.int32)


def a_dataset() -> Dataset:
    split = Split(IMAGES, LABELS)
    return Dataset('tiny', train=split, test=split, class_names=('cat', 'dog'))


@pytest.mark.parametrize(
    ('images', 'labels', 'message'),
    [
        (IMAGES.astype(np.float32), LABELS, r'images are float32 of shape \(2, 3, 4, 1\)'),
        (IMAGES[..., 0], LABELS, r'images are uint8 of shape \(2, 3, 4\)'),
        (IMAGES, LABELS.astype(np.int64), r'labels are int64 of shape \(2,\)'),
        (IMAGES, LABELS[:, None], r'labels are int32 of shape \(2, 1\)'),
        (IMAGES, LABELS[:1], '2 images but 1 labels'),
        (IMAGES[:0], LABELS[:0], 'hold nothing'),
        (IMAGES[:, :, :0], LABELS, 'hold nothing'),
    ],
)
def test_split_refuses(images: np.ndarray, labels: np.ndarray, message: str):
    with pytest.raises(BadInput, match=message):
        Split(images, labels)


@pytest.mark.parametrize('label', [-1, 2, 9])
@pytest.mark.parametrize('part', ['train', 'test'])
def test_a_label_outside_the_classes_is_named_with_its_split(label: int, part: str):
    bad = Split(IMAGES, np.array([0, label], np.int32))
    with pytest.raises(BadInput, match=rf'label {label} of {part} image 1 is outside \[0, 2\)'):
        replace(a_dataset(), **{part: bad})


def test_splits_of_different_shapes_are_refused():
    with pytest.raises(BadInput, match=r'train images are \(3, 4, 1\) but test images are \(3, 2'):
        replace(a_dataset(), test=Split(IMAGES[:, :, :2], LABELS))


def test_properties():
    dataset = a_dataset()
    assert (dataset.num_classes, dataset.image_shape, len(dataset.train)) == (2, (3, 4, 1), 2)


def test_frozen_and_compared_by_identity():
    dataset = a_dataset()
    with pytest.raises(FrozenInstanceError):
        dataset.name = 'other'  # pyright: ignore[reportAttributeAccessIssue]
    assert dataset == dataset and dataset != a_dataset()


def test_fingerprint_is_the_hash_of_everything_in_order():
    part = b'uint8 (2, 3, 4, 1)\n' + bytes(range(24)) + b'int32 (2,)\n' + b'\0\0\0\0\1\0\0\0'
    assert a_dataset().fingerprint == hashlib.sha256(part + part).hexdigest()


def test_fingerprint_sees_values_order_shape_and_which_split():
    other_labels = Split(IMAGES, LABELS[::-1].copy())
    other_order = Split(IMAGES[::-1], LABELS)
    other_shape = Split(IMAGES.reshape(2, 4, 3, 1), LABELS)
    dataset = a_dataset()
    variants = [
        dataset,
        replace(dataset, train=other_labels),
        replace(dataset, test=other_labels),
        replace(dataset, train=other_order),
        replace(dataset, train=other_shape, test=other_shape),
    ]
    assert len({variant.fingerprint for variant in variants}) == len(variants)
    assert replace(dataset, name='b', class_names=('x', 'y')).fingerprint == dataset.fingerprint
