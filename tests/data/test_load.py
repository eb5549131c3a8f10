import subprocess
import sys
from pathlib import Path

import pytest

from cnn_jax.data import load
from cnn_jax.errors import BadInput
from tests.data.tiny_sets import TinyPictures, prepare


def test_the_drawn_sets_need_no_folder(tmp_path: Path):
    missing = tmp_path / 'missing'
    shapes, tiny = (load(name, data_dir=missing) for name in ('shapes', 'shapes_tiny'))
    assert (len(shapes.train), len(shapes.test)) == (2000, 500)
    assert (tiny.name, len(tiny.train), len(tiny.test)) == ('shapes_tiny', 256, 64)
    assert not missing.exists()


def test_a_set_of_tfds_is_read_from_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    place = prepare(TinyPictures, tmp_path).data_dir
    monkeypatch.setenv('CNN_JAX_DATA_DIR', str(tmp_path))
    capsys.readouterr()
    assert len(load('tiny_pictures').train) == 520
    assert capsys.readouterr() == ('', f'tiny_pictures: reading {place}\n')


def test_and_from_tfds_own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from tensorflow_datasets.core import constants

    prepare(TinyPictures, tmp_path / 'tfds')
    monkeypatch.setattr(constants, 'DATA_DIR', str(tmp_path / 'tfds'))
    lines: list[str] = []
    assert load('tiny_pictures', data_dir=tmp_path, log=lines.append).num_classes == 3
    assert len(lines) == 1


@pytest.mark.parametrize('name', ['shapes_tiny', 'tiny_pictures'])
def test_image_size_works_for_every_set(name: str, tmp_path: Path):
    prepare(TinyPictures, tmp_path)
    dataset = load(name, data_dir=tmp_path, image_size=(20, 16))
    assert dataset.image_shape[:2] == dataset.test.images.shape[1:3] == (20, 16)


def test_a_damaged_fashion_file_reaches_the_caller(tmp_path: Path):
    (tmp_path / 't10k-labels-idx1-ubyte').write_bytes(b'\0\0\x08\x01')
    with pytest.raises(BadInput, match='t10k-labels-idx1-ubyte is not the published'):
        load('fashion_mnist', data_dir=tmp_path, log=lambda line: None)


def test_bad_input_writes_nothing(tmp_path: Path):
    for name, size in (('no_such_set', None), ('shapes', (0, 3)), ('kmnist', None)):
        with pytest.raises(BadInput):
            load(name, data_dir=tmp_path, image_size=size)
    assert list(tmp_path.iterdir()) == []


def test_import_is_light():
    script = (
        'import sys, cnn_jax.data; '
        "heavy = {'jax', 'tensorflow', 'tensorflow_datasets'}; "
        'print(sorted(heavy & set(sys.modules)))'
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, '-c', script], cwd=root, capture_output=True, text=True)
    assert done.stdout == '[]\n', done.stderr
