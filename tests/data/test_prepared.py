import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from cnn_jax.data.intact import CHECKSUMS
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
    with pytest.raises(BadInput, match=r'is (damaged \(.+\)|missing): make it again') as error:
        read(builder)
    assert str(path) in str(error.value) and '\n' not in str(error.value)


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
    (place / 'label.labels.txt').write_text('ant\nbee\n')
    features = (place / 'features.json').read_text()
    (place / 'features.json').write_text(features.replace('"numClasses": "3"', '"numClasses": "2"'))
    with pytest.raises(BadInput, match=r'label 2 of train image 2 is outside \[0, 2\)'):
        read(tfds.builder_from_directory(str(place)))


class TinyKinds(TinySet):
    """Pictures stored as they came: each in another kind of file, as in sets from many hands."""

    def _picture(self, picture: np.ndarray, index: int) -> bytes:
        image = Image.fromarray(picture)
        if index % 4 == 0:
            return saved(image.quantize(256))
        if index % 4 == 1:
            return saved(image.convert('CMYK'), 'TIFF')
        image.putalpha(index % 256)
        return saved(image)


class TinyGreyKinds(TinySet):
    SHAPE = (6, 5, 1)

    def _picture(self, picture: np.ndarray, index: int) -> bytes:
        grey = picture[..., 0]
        wide, image = Image.fromarray(grey.astype(np.uint16) * 257), Image.fromarray(grey)
        return saved([image, wide, image.convert('P'), image.convert('LA')][index % 4])


class TinyBroken(TinySet):
    def _picture(self, picture: np.ndarray, index: int) -> bytes:
        return b'no picture' if index == 7 else super()._picture(picture, index)


def saved(image: Image.Image, kind: str = 'PNG') -> bytes:
    file = io.BytesIO()
    image.save(file, format=kind)
    return file.getvalue()


def test_every_kind_of_file_gives_the_same_pixels(tmp_path: Path):
    """A palette's indices are no colours, and the upper byte of 16 bits is what is seen."""
    dataset = read(prepare(TinyKinds, tmp_path))
    np.testing.assert_array_equal(dataset.train.images, PICTURES)
    dataset = read(prepare(TinyGreyKinds, tmp_path))
    np.testing.assert_array_equal(dataset.train.images, PICTURES[..., :1])


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path: Path):
    with pytest.raises(
        BadInput, match="train image 7 of 'tiny' cannot be decoded: no picture"
    ) as e:
        read(prepare(TinyBroken, tmp_path))
    assert '\n' not in str(e.value)


NAMES = 'label.labels.txt'


@pytest.mark.parametrize('damage', ['alter', 'swap', 'empty', 'gone'])
@pytest.mark.parametrize('file', [NAMES, 'dataset_info.json', 'features.json'])
def test_a_small_file_that_changed_since_the_first_reading(tmp_path: Path, file: str, damage: str):
    path = Path(prepare(TinyPictures, tmp_path).data_dir) / file
    first = read(tfds.builder_from_directory(str(path.parent)))
    assert first.class_names == ('ant', 'bee', 'cat')
    text = path.read_text()
    builder = tfds.builder_from_directory(str(path.parent))
    if damage == 'gone':
        path.unlink()
    elif damage == 'swap' and file == NAMES:
        path.write_text('bee\nant\ncat\n')
    else:
        path.write_text('' if damage == 'empty' else text.replace('a', 'o', 1))
    with pytest.raises(BadInput, match=f'^{path} is .*make it again') as error:
        read(builder)
    assert '\n' not in str(error.value)
    path.write_text(text)
    assert read(builder).class_names == first.class_names


def test_a_change_that_is_meant(tmp_path: Path):
    path = Path(prepare(TinyPictures, tmp_path).data_dir) / NAMES
    read(tfds.builder_from_directory(str(path.parent)))
    path.write_text('Ameise\nBiene\nKätzchen\n', encoding='utf-8')
    with pytest.raises(BadInput, match=f'altered .* delete {path.parent / CHECKSUMS} and run'):
        read(tfds.builder_from_directory(str(path.parent)))
    (path.parent / CHECKSUMS).unlink()
    names = read(tfds.builder_from_directory(str(path.parent))).class_names
    assert names == ('Ameise', 'Biene', 'Kätzchen')


@pytest.mark.parametrize('names', ['ant\nbee\n', 'ant\nbee\nbee\n', 'ant\nbee\nk\udce4tz\n'])
def test_wrong_class_names_at_the_first_reading(tmp_path: Path, names: str):
    path = Path(prepare(TinyPictures, tmp_path).data_dir) / NAMES
    path.write_bytes(names.encode(errors='surrogateescape'))
    with pytest.raises(BadInput, match=f'^{path} is damaged: it .* make it again'):
        read(tfds.builder_from_directory(str(path.parent)))
    assert not (path.parent / CHECKSUMS).exists()


def test_a_set_without_names_has_numbers(tmp_path: Path):
    path = Path(prepare(TinyPictures, tmp_path).data_dir) / NAMES
    path.unlink()
    assert read(tfds.builder_from_directory(str(path.parent))).class_names == ('0', '1', '2')


def test_the_checksums_are_those_of_sha256sum_and_damage_to_them_is_named(tmp_path: Path):
    folder = Path(prepare(TinyPictures, tmp_path).data_dir)
    read(tfds.builder_from_directory(str(folder)))
    command = ['sha256sum', '--check', '--strict', CHECKSUMS]
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    whole = (folder / CHECKSUMS).read_text()
    names = [line.split('  ')[1] for line in whole.splitlines()]
    assert names == ['dataset_info.json', 'features.json', NAMES]
    for damaged in ('', whole[:70], 'words\n', whole + '\n'):
        (folder / CHECKSUMS).write_text(damaged)
        with pytest.raises(BadInput, match=f'{folder / CHECKSUMS} is damaged: delete it and run'):
            read(tfds.builder_from_directory(str(folder)))


def test_a_folder_in_which_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    builder = prepare(TinyPictures, tmp_path)

    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, 'Read-only file system')

    monkeypatch.setattr(Path, 'write_text', refuse)
    log: list[str] = []
    read_prepared(builder, name='tiny', remedy='.', log=log.append)
    assert log == [
        f'no checksums in {builder.data_dir} (Read-only file system): '
        'altered class names go unnoticed'
    ]


def test_other_encodings_of_the_locale_change_nothing(tmp_path: Path):
    """Class names with umlauts, read where the locale's encoding is Latin-1."""
    folder = Path(prepare(TinyPictures, tmp_path).data_dir)
    (folder / NAMES).write_text('Ameise\nBiene\nKätzchen\n', encoding='utf-8')
    script = (
        'import sys, tensorflow_datasets as tfds\n'
        'from pathlib import Path\n'
        'from cnn_jax.data.prepared import read_prepared\n'
        'builder = tfds.builder_from_directory(sys.argv[1])\n'
        'names = read_prepared(builder, name="tiny", remedy=".").class_names\n'
        'sys.stdout.buffer.write(" ".join(names).encode("utf-8"))\n'
    )
    for locale in ({'LC_ALL': 'C', 'PYTHONCOERCECLOCALE': '0', 'PYTHONUTF8': '0'}, {}):
        done = subprocess.run(
            [sys.executable, '-c', script, str(folder)],
            cwd=Path(__file__).parents[2],
            env={**os.environ, **locale},
            capture_output=True,
        )
        assert done.stdout.decode('utf-8') == 'Ameise Biene Kätzchen', done.stderr.decode()
