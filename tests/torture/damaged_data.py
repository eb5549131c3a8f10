"""Readers of the data folder: a set prepared by TFDS that has been read before, and IDX files."""

import gzip
import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from cnn_jax.data.catalogue import load_from_tfds
from cnn_jax.data.idx import idx_header
from cnn_jax.data.mnist import FASHION_MNIST
from cnn_jax.data.published import read_files
from tests.torture.damage import Log, Reader


def data_readers(work: Path, scale: int) -> list[Reader]:
    """Makes both folders below `work`."""
    from tests.data.tiny_sets import TinyPictures, prepare

    prepared, files = work / 'prepared', work / 'idx'
    prepare(TinyPictures, prepared)
    shutil.rmtree(prepared / 'downloads', ignore_errors=True)

    def tfds(folder: Path, log: Log) -> Any:
        data = load_from_tfds(
            'tiny_pictures', folders=[folder], ours=(), size=None, log=lambda _: None
        )
        return data.fingerprint, data.class_names

    tfds(prepared, [])  # which writes the checksums of the small files
    draw = np.random.default_rng(0)
    arrays = {
        'train-images-idx3-ubyte': draw.integers(0, 256, (70, 28, 28), np.uint8),
        'train-labels-idx1-ubyte': draw.integers(0, 10, 70, np.uint8),
        't10k-images-idx3-ubyte': draw.integers(0, 256, (30, 28, 28), np.uint8),
        't10k-labels-idx1-ubyte': draw.integers(0, 10, 30, np.uint8),
    }
    raws = {name: idx_header(array) + array.tobytes() for name, array in arrays.items()}
    hashes = {name: hashlib.sha256(raw).hexdigest() for name, raw in raws.items()}
    published = replace(FASHION_MNIST, files=hashes)
    files.mkdir()
    for name, raw in raws.items():
        zipped = name.startswith('train')
        path = files / (f'{name}.gz' if zipped else name)
        path.write_bytes(gzip.compress(raw, mtime=0) if zipped else raw)

    def idx(folder: Path, log: Log) -> Any:
        read = read_files(published, folder)
        if read is None:  # the next way to get the data is then tried
            log += [str(path) for path in files.iterdir() if not (folder / path.name).exists()]
            return 'incomplete'
        return {name: hashlib.sha256(content).hexdigest() for name, content in read.items()}

    return [
        Reader('prepared data', prepared, tfds, 10 * scale),
        Reader('IDX files', files, idx, 10 * scale, may_lack=('ubyte', '.gz')),
    ]
