from pathlib import Path

import numpy as np
import pytest

from cnn_jax.data.fashion_files import (
    CLASS_NAMES,
    PUBLISHED,
    find_file,
    missing_files,
    read_files,
)
from cnn_jax.errors import BadInput
from tests.data.conftest import FakeFashion

NAME = 'train-labels-idx1-ubyte'


@pytest.mark.parametrize('zipped', [True, False])
def test_reads_both_splits(fashion: FakeFashion, tmp_path: Path, zipped: bool):
    fashion.write(tmp_path, zipped=zipped)
    arrays = read_files(tmp_path, fashion.hashes)
    assert arrays is not None
    np.testing.assert_array_equal(arrays['train'][0], fashion.train_images)
    np.testing.assert_array_equal(arrays['train'][1], fashion.train_labels)
    assert arrays['test'][0].shape == (30, 28, 28)


def test_zipped_and_raw_may_be_mixed_and_zipped_goes_first(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    (tmp_path / f'{NAME}.gz').unlink()
    (tmp_path / NAME).write_bytes(fashion.files[NAME])
    (tmp_path / 't10k-labels-idx1-ubyte').write_bytes(b'not looked at')
    assert read_files(tmp_path, fashion.hashes) is not None
    assert find_file(tmp_path, 't10k-labels-idx1-ubyte') == tmp_path / 't10k-labels-idx1-ubyte.gz'


def test_incomplete_is_none(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    (tmp_path / f'{NAME}.gz').unlink()
    assert missing_files(tmp_path) == [NAME]
    assert read_files(tmp_path, fashion.hashes) is None


@pytest.mark.parametrize('alone', [True, False])
@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda data: data[:-20], 'truncated'),
        (lambda data: b'', 'truncated'),
        (lambda data: b'<html>no such page</html>', 'not IDX data'),
    ],
)
def test_a_damaged_file_is_named(
    fashion: FakeFashion, tmp_path: Path, alone: bool, zipped: bool, damage, message: str
):
    fashion.write(tmp_path, zipped=zipped)
    path = find_file(tmp_path, NAME)
    assert path is not None
    path.write_bytes(damage(path.read_bytes()))
    if alone:
        for other in set(tmp_path.iterdir()) - {path}:
            other.unlink()
    with pytest.raises(BadInput, match=message) as error:
        read_files(tmp_path, fashion.hashes)
    assert str(error.value).startswith(f'{path} is not the published Fashion-MNIST file')
    assert str(error.value).endswith('Put the published file in its place, or move it away.')
    assert '\n' not in str(error.value)


def test_one_altered_bit_is_refused(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path, zipped=False)
    data = bytearray(fashion.files[NAME])
    data[-1] ^= 1
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(BadInput, match=f'{NAME} is not .* SHA-256 of its contents is'):
        read_files(tmp_path, fashion.hashes)


def test_a_whole_idx_file_of_another_set_is_refused(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    with pytest.raises(BadInput, match='train-images-idx3-ubyte.gz is not the published'):
        read_files(tmp_path, PUBLISHED)


def test_what_is_published():
    assert len(set(PUBLISHED.values())) == 4
    assert all(len(value) == 64 for value in PUBLISHED.values())
    assert len(CLASS_NAMES) == 10
