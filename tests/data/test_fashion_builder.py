import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnn_jax.data.fashion_builder import FashionMnistIdx
from cnn_jax.data.fashion_files import CLASS_NAMES
from tests.data.conftest import FakeFashion


def prepare(folder: Path, images: Any, labels: Any) -> Path:
    """Has TFDS prepare the set in `folder`; returns where the finished set must lie."""
    pair = (images, labels)
    builder: Any = FashionMnistIdx(data_dir=str(folder), arrays={'train': pair})
    builder.download_and_prepare(
        file_format='array_record',
        download_dir=str(folder / 'downloads'),
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    return folder / 'fashion_mnist_idx' / '1.0.0'


def test_it_does_not_take_the_name_of_tfds_own_set():
    assert FashionMnistIdx.name == 'fashion_mnist_idx'
    own = tfds.builder_cls('fashion_mnist')
    assert own is not FashionMnistIdx and own.__module__.startswith('tensorflow_datasets')


def test_examples_come_back_as_they_were_and_in_order(fashion: FakeFashion, tmp_path: Path):
    place = prepare(tmp_path, fashion.train_images, fashion.train_labels)
    builder: Any = tfds.builder_from_directory(str(place))
    source = builder.as_data_source('train')
    examples = [source[index] for index in range(len(source))]
    images = np.stack([example['image'] for example in examples])
    np.testing.assert_array_equal(images, fashion.train_images[..., None])
    assert images.dtype == np.uint8
    assert [example['label'] for example in examples] == fashion.train_labels.tolist()
    assert builder.info.features['label'].names == list(CLASS_NAMES)


def test_an_error_halfway_leaves_nothing(fashion: FakeFashion, tmp_path: Path):
    with pytest.raises(ValueError, match='shorter'):
        prepare(tmp_path, fashion.train_images, fashion.train_labels[:300])
    assert list((tmp_path / 'fashion_mnist_idx').iterdir()) == []


class Deadly:
    """Images of which the hundredth kills the process that reads it."""

    def __iter__(self):
        for _ in range(99):
            yield np.zeros((28, 28), np.uint8)
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_halfway_leaves_nothing_that_looks_finished(tmp_path: Path):
    script = (
        'import sys; from pathlib import Path; '
        'from tests.data.test_fashion_builder import Deadly, prepare; '
        'prepare(Path(sys.argv[1]), Deadly(), [0] * 200)'
    )
    killed = subprocess.run(
        [sys.executable, '-c', script, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, 'TMPDIR': str(tmp_path)},
        capture_output=True,
    )
    assert killed.returncode == -signal.SIGKILL
    left = [path.name for path in (tmp_path / 'fashion_mnist_idx').iterdir()]
    assert len(left) == 1 and left[0].startswith('incomplete.')
