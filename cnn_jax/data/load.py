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
from cnn_jax.data.mnist import FASHION_MNIST, MNIST
from cnn_jax.data.mnist1d import MNIST1D
from cnn_jax.data.published import load_published
from cnn_jax.data.resize import ImageSize, checked_size, fit_image
from cnn_jax.data.shapes import make_shapes
from cnn_jax.errors import require


def log_to_stderr(line: str) -> None:
    """Prints one line of progress to stderr.

    >>> log_to_stderr('fashion_mnist: prepared')
    """
    print(line, file=sys.stderr, flush=True)


_PUBLISHED = {published.name: published for published in (FASHION_MNIST, MNIST, CIFAR10, MNIST1D)}
_DRAWN: dict[str, Callable[[], Dataset]] = {
    'shapes': make_shapes,
    'shapes_tiny': lambda: replace(make_shapes(train=256, test=64), name='shapes_tiny'),
}


def load(
    name: str,
    *,
    data_dir: Path | None = None,
    image_size: tuple[int, int] | None = None,
    log: Callable[[str], None] = log_to_stderr,
) -> Dataset:
    """The data set `name`, all of it in memory as uint8.

    name: 'fashion_mnist', 'mnist', 'cifar10' or 'mnist1d' (fetched on first use, verified on every
    use; the last holds sequences, as images of height 1), 'shapes' (2,000 + 500 generated images,
    nothing to download), 'shapes_tiny' (256 + 64), a
    folder of images (see `load_image_folder`), or an image-classification set of
    tensorflow-datasets that is prepared on disk as array_record: 'kmnist',
    'imagenette/160px-v2'... data_dir: the data folder, by default `cnn_jax.data.data_dir()`; sets
    of tensorflow-datasets are also searched for in its own default folder. image_size: the (height,
    width) to which every image is scaled and cropped, required if a set's images differ in size.
    log: receives lines of progress. Raises `BadInput` for a name or a size that is not available,
    saying what to do.

    >>> load('shapes_tiny').train.images.shape
    (256, 28, 28, 1)
    """
    folder = default_data_dir() if data_dir is None else data_dir
    size = None if image_size is None else checked_size(image_size)
    if name in _DRAWN:
        return fit_dataset(_DRAWN[name](), size)
    if name not in _PUBLISHED and Path(name).expanduser().is_dir():
        return load_image_folder(Path(name).expanduser(), image_size=size, log=log)
    require(not name.startswith(('.', '/', '~')), f'{name}: there is no such folder of images.')

    def from_tfds() -> Dataset:
        from tensorflow_datasets.core import constants

        folders = list(dict.fromkeys([folder, Path(constants.DATA_DIR)]))
        return load_from_tfds(
            name, folders=folders, ours=[*_PUBLISHED, *_DRAWN], size=size, log=log
        )

    if name not in _PUBLISHED:
        return from_tfds()

    def prepared() -> Dataset | None:
        return from_tfds() if is_prepared(name, folder) else None

    return fit_dataset(load_published(_PUBLISHED[name], folder, log=log, prepared=prepared), size)


def fit_dataset(dataset: Dataset, size: ImageSize | None) -> Dataset:
    """The set with every image scaled and cropped to that size; None leaves them unchanged."""
    if size is None or dataset.image_shape[:2] == tuple(size):
        return dataset

    def fit(split: Split) -> Split:
        return Split(np.stack([fit_image(image, size) for image in split.images]), split.labels)

    return replace(dataset, train=fit(dataset.train), test=fit(dataset.test))
