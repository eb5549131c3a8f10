"""The two types behind every data set: images with labels, and a train and test pair of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnn_jax.data.targets import check_form, check_values
from cnn_jax.errors import require


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, in a fixed order: for each image its class, mask, boxes or points.

    images: uint8 `(n, height, width, channels)`, raw pixels 0 to 255. labels, by task:
    classification int32 `(n,)`; segmentation uint8 `(n, height, width)`, class ids, 255 where a
    pixel is not judged; detection float32 `(n, boxes, 5)`, rows of y_low, x_low, y_high, x_high in
    pixels (the first covers [0, 1) x [0, 1)) and class id, or all -1 for no box; keypoints float32
    `(n, keypoints, 2)`, (y, x) in pixels with the centre of the first at (0, 0).

    Raises `BadInput` for a wrong dtype or rank, unequal lengths, masks of another size than the
    images, or no image at all.

    >>> split = Split(np.zeros((3, 28, 28, 1), np.uint8), np.array([0, 1, 2], np.int32))
    >>> len(split)
    3
    """

    images: np.ndarray  # not jaxtyping's types: wrong arrays must reach the errors below
    labels: np.ndarray

    def __post_init__(self) -> None:
        for name in ('images', 'labels'):
            given = vars(self)[name]
            require(
                isinstance(given, np.ndarray),
                f'{name} must be a NumPy array; got {type(given).__name__}.',
            )
            view = given.view()  # made read-only, so that no metric or model can change a pixel
            view.flags.writeable = False
            object.__setattr__(self, name, view)
        images, labels = self.images, self.labels
        require(
            images.dtype == np.uint8 and images.ndim == 4,
            f'images are {images.dtype} of shape {images.shape}: '
            'give uint8 (n, height, width, channels).',
        )
        check_form(images, labels)
        require(images.size > 0, f'images of shape {images.shape} hold nothing: give at least one.')

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set with its official train and test splits and the names of its classes.

    task: 'classification', 'segmentation', 'detection' or 'keypoints'; it decides the form of the
    labels (see `Split`). For keypoints, `class_names` are the names of the points.

    Raises `BadInput` when the splits' images differ in shape, the labels are not of the task, or a
    label is not allowed: a class id outside `[0, num_classes)`, a box that is empty or not inside
    the image, a keypoint that is not inside it. The message names the split, image and value.

    >>> split = Split(np.zeros((2, 28, 28, 1), np.uint8), np.array([0, 1], np.int32))
    >>> dataset = Dataset('tiny', train=split, test=split, class_names=('cat', 'dog'))
    >>> dataset.num_classes, dataset.image_shape, dataset.fingerprint[:8]
    (2, (28, 28, 1), '93c30cd0')
    """

    name: str
    train: Split
    test: Split
    class_names: tuple[str, ...]
    task: str = 'classification'

    def __post_init__(self) -> None:
        names = self.class_names
        require(
            isinstance(names, tuple)
            and all(isinstance(n, str) and n == n.encode(errors='replace').decode() for n in names),
            f'{self.name}: class_names must be a tuple of text that UTF-8 can hold; '
            f'got {ascii(names)[:60]}.',
        )
        train, test = self.train.images.shape[1:], self.test.images.shape[1:]
        require(
            train == test,
            f'{self.name}: train images are {train} but test images are {test}: '
            'both must have one (height, width, channels).',
        )
        for split_name, split in (('train', self.train), ('test', self.test)):
            check_values(
                self.task,
                split.labels,
                size=train[:2],
                class_names=names,
                split=(self.name, split_name),
            )

    @property
    def num_classes(self) -> int:
        """How many classes there are, with ids in [0, num_classes); or how many keypoints."""
        return len(self.class_names)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)` of every image."""
        _, height, width, channels = self.train.images.shape
        return height, width, channels

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) over dtype, shape and bytes of train images, train labels, test images
        and test labels: equal fingerprints mean equal data in equal order."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            little_endian = split.labels.dtype.newbyteorder('<')
            for array in (split.images, split.labels.astype(little_endian, copy=False)):
                digest.update(f'{array.dtype.name} {array.shape}\n'.encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
