"""Loads a data set by its name."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cnn_jax.data.catalogue import is_prepared, load_from_tfds
from cnn_jax.data.cifar10 import CIFAR10
from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.folders import data_dir as default_data_dir
from cnn_jax.data.image_folder import load_image_folder
from cnn_jax.data.markers import make_shapes_keypoints
from cnn_jax.data.mask_folder import holds_masks, load_mask_folder
from cnn_jax.data.mnist import FASHION_MNIST, MNIST
from cnn_jax.data.mnist1d import MNIST1D
from cnn_jax.data.published import load_published
from cnn_jax.data.resize import (
    ImageSize,
    checked_size,
    fit_boxes,
    fit_image,
    fit_mask,
    fit_points,
)
from cnn_jax.data.scenes import make_shapes_detection, make_shapes_segmentation
from cnn_jax.data.shapes import make_shapes
from cnn_jax.errors import require


def log_to_stderr(line: str) -> None:
    """Prints one line of progress to stderr.

    >>> log_to_stderr('fashion_mnist: prepared')
    """
    print(line, file=sys.stderr, flush=True)


_PUBLISHED = {published.name: published for published in (FASHION_MNIST, MNIST, CIFAR10, MNIST1D)}
_MAKERS = (make_shapes, make_shapes_segmentation, make_shapes_detection, make_shapes_keypoints)


def _drawn(make: Callable[..., Dataset]) -> dict[str, Callable[[], Dataset]]:
    """A drawn set by its name, and a tiny form of it."""
    name = make.__name__.removeprefix('make_')
    tiny = f'{name}_tiny'
    return {name: make, tiny: lambda: replace(make(train=256, test=64), name=tiny)}


_DRAWN: dict[str, Callable[[], Dataset]] = {
    name: make for maker in _MAKERS for name, make in _drawn(maker).items()
}


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    image_size: tuple[int, int] | None = None,
    task: str | None = None,
    log: Callable[[str], None] = log_to_stderr,
) -> Dataset:
    """The data set `name`, all of it in memory as uint8.

    name: 'fashion_mnist', 'mnist', 'cifar10' or 'mnist1d' (fetched on first use, verified on every
    use; the last holds sequences, as images of height 1), 'shapes' (2,000 + 500 generated images,
    nothing to download), 'shapes_segmentation', 'shapes_detection' or 'shapes_keypoints' (4,000 +
    1,000 each), a tiny form of each of these, 'shapes_tiny' (256 + 64), a folder of images (see
    `load_image_folder`) or of images and masks (see `load_mask_folder`), or a set of
    tensorflow-datasets that is prepared on disk as array_record: 'kmnist', 'imagenette/160px-v2',
    'voc/2007'... data_dir: the data folder, by default `cnn_jax.data.data_dir()`; sets of
    tensorflow-datasets are also searched for in its own default folder. image_size: the (height,
    width) to which every image is scaled and cropped, with its mask, boxes or keypoints, required
    if a set's images differ in size. task: what is wanted of a set of tensorflow-datasets that
    serves several, such as 'segmentation' of 'oxford_iiit_pet'; None: its classes if it has one for
    each image, otherwise masks or boxes. log: receives lines of progress. Raises `BadInput` for a
    name, size or task that is not available, saying what to do.

    >>> load('shapes_tiny').train.images.shape
    (256, 28, 28, 1)
    """
    folder = default_data_dir() if data_dir is None else data_dir
    size = None if image_size is None else checked_size(image_size)
    if name in _DRAWN:
        return _for_task(fit_dataset(_DRAWN[name](), size), task)
    if name not in _PUBLISHED and Path(name).expanduser().is_dir():
        place = Path(name).expanduser()
        read = load_mask_folder if holds_masks(place) else load_image_folder
        return _for_task(read(place, image_size=size, log=log), task)
    require(not name.startswith(('.', '/', '~')), f'{name}: there is no such folder of images.')

    def from_tfds() -> Dataset:
        from tensorflow_datasets.core import constants

        folders = list(dict.fromkeys([folder, Path(constants.DATA_DIR)]))
        return load_from_tfds(
            name, folders=folders, ours=[*_PUBLISHED, *_DRAWN], size=size, task=task, log=log
        )

    if name not in _PUBLISHED:
        return from_tfds()

    def prepared() -> Dataset | None:
        return from_tfds() if is_prepared(name, folder) else None

    published = load_published(_PUBLISHED[name], folder, log=log, prepared=prepared)
    return _for_task(fit_dataset(published, size), task)


def _for_task(dataset: Dataset, task: str | None) -> Dataset:
    require(
        task in (None, dataset.task),
        f'data set {dataset.name!r} is for {dataset.task}, not for {task!r}.',
    )
    return dataset


def fit_dataset(dataset: Dataset, size: ImageSize | None) -> Dataset:
    """The set with every image and its mask, boxes or points scaled and cropped to that size.

    None leaves them unchanged. Raises `BadInput` where a keypoint would be cut off.
    """
    if size is None or dataset.image_shape[:2] == tuple(size):
        return dataset

    def fit(split: Split) -> Split:
        labels, was = split.labels, (split.images.shape[1], split.images.shape[2])
        if dataset.task == 'segmentation':
            labels = np.stack([fit_mask(mask, size) for mask in labels])
        elif dataset.task == 'detection':
            labels = fit_boxes(labels, was, size)
        elif dataset.task == 'keypoints':
            labels = fit_points(labels, was, size)
        return Split(np.stack([fit_image(image, size) for image in split.images]), labels)

    return replace(dataset, train=fit(dataset.train), test=fit(dataset.test))
