import functools
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.testing import PickableDataSourceMock

from cnn_jax.data.catalogue import load_from_tfds, prepare_command
from cnn_jax.data.dataset import Dataset
from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput
from tests.data.tiny_sets import PICTURES, TinyPictures, prepare


def load(
    name: str,
    folders: Sequence[Path],
    *,
    size: ImageSize | None = None,
    lines: list[str] | None = None,
) -> Dataset:
    return load_from_tfds(
        name,
        folders=folders,
        ours=['fashion_mnist', 'shapes'],
        size=size,
        log=[].append if lines is None else lines.append,
    )


class BatchedMock(PickableDataSourceMock):
    """TFDS' mock of a record file; its own forgets to pass `self` to `__getitems__`."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == '__getitems__' and isinstance(value, functools.partial):
            value = functools.partial(value, self)
        super().__setattr__(name, value)


def write_metadata(name: str, folder: Path) -> None:
    """What a set of TFDS' looks like in a folder where it has been prepared, less the records."""
    builder: Any = tfds.builder(name, data_dir=folder)
    builder.info.set_file_format('array_record', override=True)
    splits = [
        tfds.core.SplitInfo(
            name=split,
            shard_lengths=[9],
            num_bytes=100,
            filename_template=tfds.core.ShardedFileTemplate(
                dataset_name=builder.name,
                data_dir=builder.data_dir,
                split=split,
                filetype_suffix='array_record',
            ),
        )
        for split in ('train', 'test')
    ]
    builder.info.set_splits(tfds.core.splits.SplitDict(splits))
    Path(builder.data_dir).mkdir(parents=True)
    builder.info.write_to_directory(builder.data_dir)


@pytest.mark.parametrize(
    ('name', 'shape', 'classes'),
    [
        ('mnist', (28, 28, 1), 10),
        ('kmnist', (28, 28, 1), 10),
        ('cifar10', (32, 32, 3), 10),
        ('cifar100', (32, 32, 3), 100),
        ('svhn_cropped', (32, 32, 3), 10),
    ],
)
def test_sets_of_tfds_under_its_mock(
    name: str, shape: tuple[int, int, int], classes: int, tmp_path: Path
):
    write_metadata(name, tmp_path)
    lines: list[str] = []
    with tfds.testing.mock_data(
        num_examples=5, data_dir=str(tmp_path), mock_array_record_data_source=BatchedMock()
    ):
        dataset = load(name, [tmp_path], lines=lines)
    assert dataset.name == name
    assert dataset.image_shape == shape and dataset.num_classes == classes
    assert len(dataset.train) == len(dataset.test) == 5
    assert len(np.unique(dataset.train.images)) > 50
    assert len(lines) == 1 and lines[0].startswith(f'{name}: reading {tmp_path / name}')


def test_sizes_that_differ_under_the_mock(tmp_path: Path):
    name = 'imagenette/160px-v2'
    write_metadata(name, tmp_path)
    with tfds.testing.mock_data(
        num_examples=5, data_dir=str(tmp_path), mock_array_record_data_source=BatchedMock()
    ):
        with pytest.raises(BadInput, match='images of different sizes'):
            load(name, [tmp_path])
        assert load(name, [tmp_path], size=ImageSize(16, 24)).image_shape == (16, 24, 3)


def test_the_first_folder_that_holds_the_set_is_read(tmp_path: Path):
    prepare(TinyPictures, tmp_path / 'b')
    (tmp_path / 'a' / 'tiny_pictures').mkdir(parents=True)  # empty, as a failed try leaves it
    lines: list[str] = []
    dataset = load(
        'tiny_pictures', [tmp_path / 'none', tmp_path / 'a', tmp_path / 'b'], lines=lines
    )
    np.testing.assert_array_equal(dataset.train.images, PICTURES)
    assert lines == [f'tiny_pictures: reading {tmp_path / "b" / "tiny_pictures" / "1.2.0"}']


def test_a_version_other_than_the_codes_is_read(tmp_path: Path):
    place = Path(prepare(TinyPictures, tmp_path).data_dir)
    place.rename(place.with_name('1.0.0'))
    info = place.with_name('1.0.0') / 'dataset_info.json'
    info.write_text(info.read_text().replace('1.2.0', '1.0.0'))
    assert len(load('tiny_pictures', [tmp_path]).train) == 520


def test_a_set_that_is_not_prepared_comes_with_the_command(tmp_path: Path):
    spaced = tmp_path / 'my data'
    with pytest.raises(BadInput) as error:
        load('cifar10', [spaced, tmp_path / 'default'])
    assert str(error.value) == (
        f"data set 'cifar10' is not prepared in {spaced} or {tmp_path / 'default'}. Prepare it "
        "once, where there is a network, from a checkout of cnn_jax: pip install -e '.[tf]' && "
        f"python -c 'import tensorflow_datasets as t; t.builder("
        f'"cifar10", data_dir="{spaced}", file_format="array_record").download_and_prepare()\''
    )
    assert list(tmp_path.iterdir()) == []


def test_the_command_prepares_what_is_read(tmp_path: Path):
    """Run as a shell and Python would run it, from a folder with an awkward name."""
    folder = tmp_path / 'it\'s "my" $data'
    program, option, code = shlex.split(prepare_command('tiny_pictures', folder))
    assert (program, option) == ('python', '-c')
    exec(code)
    assert len(load('tiny_pictures', [folder]).train) == 520


@pytest.mark.parametrize(
    ('name', 'near'),
    [
        ('cifar1O', 'cifar10'),
        ('fashon_mnist', 'fashion_mnist'),
        ('shape', 'shapes'),
        ('imagenete/160px', 'imagenette'),
        ('../mnist', 'mnist'),
    ],
)
def test_an_unknown_name_gets_the_nearest(name: str, near: str, tmp_path: Path):
    with pytest.raises(BadInput, match=f'unknown data set .*did you mean {near!r}') as error:
        load(name, [tmp_path])
    said = str(error.value).replace(str(Path.cwd()), '')  # the checkout may lie deep
    assert '\n' not in said and len(said) < 250


def test_a_name_like_no_other(tmp_path: Path):
    with pytest.raises(
        BadInput, match="unknown data set 'zzzzzzzzzz'. Allowed: fashion_mnist, shapes, a fol"
    ):
        load('zzzzzzzzzz', [tmp_path])


@pytest.mark.parametrize('damage', ['cut', 'bytes', 'gone'])
@pytest.mark.parametrize('file', ['dataset_info.json', 'features.json'])
@pytest.mark.parametrize('read_before', [False, True])
def test_damaged_metadata_is_named(tmp_path: Path, file: str, damage: str, read_before: bool):
    path = Path(prepare(TinyPictures, tmp_path).data_dir) / file
    if read_before:
        load('tiny_pictures', [tmp_path])
    if damage == 'gone':
        path.unlink()
    else:
        path.write_bytes(b'{"name": ' if damage == 'cut' else b'\xff' + path.read_bytes())
    with pytest.raises(
        BadInput, match=r'(missing|damaged .*): leave it there .* python -c'
    ) as error:
        load('tiny_pictures', [tmp_path])
    assert str(error.value).startswith(f'{path} is ') and '\n' not in str(error.value)


def test_a_half_written_set_is_as_good_as_none(tmp_path: Path):
    place = Path(prepare(TinyPictures, tmp_path).data_dir)
    place.rename(place.with_name('incomplete.X_1.2.0'))
    with pytest.raises(BadInput, match="'tiny_pictures' is not prepared"):
        load('tiny_pictures', [tmp_path])


def test_a_set_in_another_form_is_left_and_prepared_elsewhere(tmp_path: Path):
    """The advice is followed to the letter: run the command, set the variable, read."""
    folder = tmp_path / 'my data'
    place = Path(prepare(TinyPictures, folder).data_dir)
    info = place / 'dataset_info.json'
    info.write_text(info.read_text().replace('array_record', 'tfrecord'))
    before = {path: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(BadInput, match='as tfrecord, which needs TensorFlow: leave it') as error:
        load('tiny_pictures', [folder, tmp_path / 'default'])
    assert 'delete' not in str(error.value)
    words = shlex.split(
        str(error.value).replace("'tiny_pictures'", '').replace(': python', ' python')
    )
    (folder_named,) = (word for word in words if word.startswith('CNN_JAX_DATA_DIR='))
    exec(words[-1])
    assert {path: path.read_bytes() for path in place.iterdir()} == before
    other = Path(folder_named.partition('=')[2])
    assert other != folder and len(load('tiny_pictures', [other, folder]).train) == 520


def test_a_set_in_the_folder_of_tfds_is_prepared_in_ours(tmp_path: Path):
    place = Path(prepare(TinyPictures, tmp_path / 'theirs').data_dir)
    info = place / 'dataset_info.json'
    info.write_text(info.read_text().replace('array_record', 'tfrecord'))
    with pytest.raises(BadInput) as error:
        load('tiny_pictures', [tmp_path / 'ours', tmp_path / 'theirs'])
    assert 'CNN_JAX_DATA_DIR' not in str(error.value)
    exec(shlex.split(str(error.value).partition(': python -c ')[2])[0])
    folders = [tmp_path / 'ours', tmp_path / 'theirs']
    assert len(load('tiny_pictures', folders).train) == 520


def test_a_set_that_tfds_cannot_make_gets_no_command(tmp_path: Path):
    place = Path(prepare(TinyPictures, tmp_path).data_dir)
    for file in ('dataset_info.json', 'features.json'):
        text = (place / file).read_text()
        text = text.replace('tiny_pictures', 'private_set').replace('array_record', 'tfrecord')
        (place / file).write_text(text)
    (tmp_path / 'tiny_pictures').rename(tmp_path / 'private_set')
    with pytest.raises(
        BadInput, match='leave it there, and have the program that made it'
    ) as error:
        load('private_set', [tmp_path])
    assert 'python' not in str(error.value)
