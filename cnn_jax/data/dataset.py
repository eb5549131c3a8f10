"""The two types behind every data set: images with labels, and a train and test pair of them."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cnn_jax.errors import require


@dataclass(frozen=True, eq=False)
class Split:
    """Images and their labels, one label per image, in a fixed order.

    images: uint8 `(n, height, width, channels)`, raw pixels 0 to 255. labels: int32 `(n,)`.
    Raises `BadInput` for a wrong dtype or rank, unequal lengths, or no image at all.

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
        require(
            labels.dtype == np.int32 and labels.ndim == 1,
            f'labels are {labels.dtype} of shape {labels.shape}: give int32 (n,).',
        )
        require(
            len(images) == len(labels),
            f'{len(images)} images but {len(labels)} labels: give one label per image.',
        )
        require(images.size > 0, f'images of shape {images.shape} hold nothing: give at least one.')

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set with its official train and test splits and the names of its classes.

    Raises `BadInput` when the splits' images differ in shape, or a label is not in
    `[0, num_classes)`; the message names the split and the label.

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
            bad = np.flatnonzero((split.labels < 0) | (split.labels >= self.num_classes))
            require(
                bad.size == 0,
                f'{self.name}: label {split.labels[bad[:1]].sum()} of {split_name} image '
                f'{bad[:1].sum()} is outside [0, {self.num_classes}): '
                'correct the labels or give a name for every class.',
            )

    @property
    def num_classes(self) -> int:
        """How many classes there are; labels are in [0, num_classes)."""
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
            for array in (split.images, split.labels.astype('<i4', copy=False)):
                digest.update(f'{array.dtype.name} {array.shape}\n'.encode())
                digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()
