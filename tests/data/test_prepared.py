import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds

from cnn_jax.data.prepared import read_prepared
from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput
from tests.data.tiny_sets import (
    PICTURES,
    TinyDepths,
    TinyPictures,
    TinySet,
    TinyTexts,
    TinyUneven,
    TinyUntested,
    TinyValidated,
    prepare,
)


def read(builder: Any, size: ImageSize | None = None):
    return read_prepared(builder, name='tiny', remedy='make it again.', size=size)


def test_images_labels_and_names(tmp_path: Path):
    dataset = read(prepare(TinyPictures, tmp_path))
    np.testing.assert_array_equal(dataset.train.images, PICTURES)  # more than one chunk
    np.testing.assert_array_equal(dataset.test.images, PICTURES[:3, ::-1])
    np.testing.assert_array_equal(dataset.train.labels, np.arange(520) % 3)
    assert dataset.name == 'tiny' and dataset.class_names == ('ant', 'bee', 'cat')


def test_validation_serves_where_there_is_no_test(tmp_path: Path):
    assert len(read(prepare(TinyValidated, tmp_path)).test) == 3


def test_other_splits_do_not(tmp_path: Path):
    with pytest.raises(BadInput, match='has the splits train, unlabelled'):
        read(prepare(TinyUntested, tmp_path))


def test_sizes_that_differ_need_one_for_all(tmp_path: Path):
    builder = prepare(TinyUneven, tmp_path)
    with pytest.raises(BadInput, match=r'\(6, 5, 3\) and \(12, 5, 3\).*image_size=\(128, 128\)'):
        read(builder)
    dataset = read(builder, ImageSize(5, 5))
    assert dataset.train.images.shape == (520, 5, 5, 3)
    grey = dataset.train.images[::3]
    assert (grey == grey[..., :1]).all()


@pytest.mark.parametrize('kind', [TinyTexts, TinyDepths])
def test_what_is_not_uint8_images_is_refused(kind: type[TinySet], tmp_path: Path):
    with pytest.raises(BadInput, match='not one of uint8 images .* holds coarse_label, image, la'):
        read(prepare(kind, tmp_path))


@pytest.mark.parametrize('damage', ['flip', 'cut', 'gone'])
def test_damaged_records_are_named_with_a_way_out(tmp_path: Path, damage: str):
    builder = prepare(TinyPictures, tmp_path)
    (path,) = Path(builder.data_dir).glob('*train*')
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data if damage == 'flip' else data[:70_000])
    if damage == 'gone':
        path.unlink()
    with pytest.raises(BadInput, match=r'are damaged \(.+\): make it again') as error:
        read(builder)
    assert builder.data_dir in str(error.value) and '\n' not in str(error.value)


def test_a_format_that_needs_tensorflow_is_refused(tmp_path: Path):
    place = Path(prepare(TinyPictures, tmp_path).data_dir)
    info = json.loads((place / 'dataset_info.json').read_text())
    info['fileFormat'] = 'tfrecord'
    (place / 'dataset_info.json').write_text(json.dumps(info))
    with pytest.raises(BadInput, match='prepared as tfrecord, which needs TensorFlow: make it'):
        read(tfds.builder_from_directory(str(place)))


def test_a_missing_label_is_refused(tmp_path: Path):
    """TFDS marks unlabelled images with -1, as in the test split of some contests."""
    builder = prepare(TinyPictures, tmp_path)
    place = Path(builder.data_dir)
    shutil.copy(place / 'label.labels.txt', place / 'saved')
    (place / 'label.labels.txt').write_text('ant\nbee\n')
    with pytest.raises(BadInput, match=r'label 2 of train image 2 is outside \[0, 2\)'):
        read(tfds.builder_from_directory(str(place)))
