import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cnn_jax.data.prepared import read_prepared
from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput

PICTURES = np.random.default_rng(0).integers(0, 256, (520, 6, 5, 3), np.uint8)


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format='PNG')
    return buffer.getvalue()


class _Tiny(tfds.core.GeneratorBasedBuilder):
    """What TFDS' own sets look like on disk: PNG images, made here without TensorFlow."""

    VERSION = tfds.core.Version('1.2.0')
    SPLITS: tuple[str, ...] = ('train', 'test')
    SHAPE: tuple[int | None, ...] = (6, 5, 3)

    def _features(self) -> dict[str, Any]:
        return {
            'coarse_label': tfds.features.ClassLabel(num_classes=2),
            'image': tfds.features.Image(shape=self.SHAPE),
            'label': tfds.features.ClassLabel(names=['ant', 'bee', 'cat']),
        }

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(self._features()),
            supervised_keys=('image', 'label'),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in self.SPLITS}

    def _generate_examples(self, split: str) -> Any:
        pictures = PICTURES if split == 'train' else PICTURES[:3, ::-1]
        for index, picture in enumerate(pictures):
            yield (
                index,
                {'coarse_label': 1, 'image': self._picture(picture, index), 'label': index % 3},
            )

    def _picture(self, picture: np.ndarray, index: int) -> Any:
        return png(picture)


class TinyPictures(_Tiny):
    pass


class TinyValidated(_Tiny):
    SPLITS = ('train', 'validation')


class TinyUntested(_Tiny):
    SPLITS = ('train', 'unlabelled')


class TinyUneven(_Tiny):
    """Sizes differ, and every third image is a grey file, as in sets made of photographs."""

    SHAPE = (None, None, 3)

    def _picture(self, picture: np.ndarray, index: int) -> bytes:
        picture = np.repeat(picture, 1 + index % 2, axis=0)
        return png(picture[..., 0] if index % 3 == 0 else picture)


class TinyTexts(_Tiny):
    def _features(self) -> dict[str, Any]:
        return {**super()._features(), 'image': tfds.features.Text()}

    def _picture(self, picture: np.ndarray, index: int) -> str:
        return 'words'


class TinyDepths(_Tiny):
    def _features(self) -> dict[str, Any]:
        depth = tfds.features.Tensor(shape=(6, 5, 3), dtype=np.uint16)
        return {**super()._features(), 'image': depth}

    def _picture(self, picture: np.ndarray, index: int) -> np.ndarray:
        return picture.astype(np.uint16)


def prepare(kind: type[_Tiny], folder: Path) -> Any:
    """A builder whose data is on disk in `folder`, as a later process would open it."""
    builder: Any = kind(data_dir=str(folder))
    builder.download_and_prepare(
        file_format='array_record',
        download_dir=str(folder / 'downloads'),
        download_config=tfds.download.DownloadConfig(try_download_gcs=False),
    )
    return tfds.builder_from_directory(builder.data_dir)


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
def test_what_is_not_uint8_images_is_refused(kind: type[_Tiny], tmp_path: Path):
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
