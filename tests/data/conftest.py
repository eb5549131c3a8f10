"""Stand-ins for published sets: small IDX files and binary batches with their own hashes."""

import gzip
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from cnn_jax.data.hashing import random_bits
from cnn_jax.data.idx import idx_header
from cnn_jax.data.mnist import FASHION_MNIST
from cnn_jax.data.published import Published


@pytest.fixture(scope='session', autouse=True)
def no_litter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """TFDS leaves an empty temporary folder behind for every set that is not prepared yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, 'tempdir', str(tmp_path_factory.mktemp('tfds')))
        yield


@dataclass(frozen=True)
class FakeFashion:
    """`files`: file name -> bytes of the raw IDX file; `published`: the set with their hashes."""

    train_images: np.ndarray
    train_labels: np.ndarray
    files: dict[str, bytes]
    published: Published

    def write(self, folder: Path, *, zipped: bool = True) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in self.files.items():
            if zipped:
                (folder / f'{name}.gz').write_bytes(gzip.compress(data))
            else:
                (folder / name).write_bytes(data)


@pytest.fixture(scope='session')
def fashion() -> FakeFashion:
    def pictures(count: int, stream: int) -> np.ndarray:
        words = random_bits(count * 98, seed=1, stream=stream).astype('<u8')
        return words.view(np.uint8).reshape(count, 28, 28)

    arrays = {
        'train-images-idx3-ubyte': pictures(700, 0),
        'train-labels-idx1-ubyte': (np.arange(700) * 7 % 10).astype(np.uint8),
        't10k-images-idx3-ubyte': pictures(30, 1),
        't10k-labels-idx1-ubyte': (np.arange(30) % 10).astype(np.uint8),
    }
    files = {name: idx_header(array) + array.tobytes() for name, array in arrays.items()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return FakeFashion(
        train_images=arrays['train-images-idx3-ubyte'],
        train_labels=arrays['train-labels-idx1-ubyte'],
        files=files,
        published=replace(FASHION_MNIST, files=hashes, system_folder=None, sources=()),
    )
