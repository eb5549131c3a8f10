import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cnn_jax.data import Dataset
from cnn_jax.data.fashion_mnist import load_fashion_mnist
from cnn_jax.data.fashion_sources import Fetcher
from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.intact import CHECKSUMS
from cnn_jax.errors import BadInput
from tests.data.conftest import FakeFashion

PREPARED = Path('fashion_mnist_idx') / '1.0.0'


def load(
    fashion: FakeFashion,
    folder: Path,
    *,
    lines: list[str] | None = None,
    system: Path = Path('/nowhere'),
    fetchers: Sequence[Fetcher] = (),
) -> Dataset:
    return load_fashion_mnist(
        folder,
        log=[].append if lines is None else lines.append,
        hashes=fashion.hashes,
        system_folder=system,
        fetchers=fetchers,
    )


@pytest.fixture(scope='module')
def prepared(fashion: FakeFashion, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder that holds the prepared set and nothing else; copy it before harming it."""
    folder = tmp_path_factory.mktemp('prepared')
    files = tmp_path_factory.mktemp('files')
    fashion.write(files)
    load(fashion, folder, system=files)
    return folder


def fails(reason: str) -> Fetcher:
    def fetch(folder: Path) -> Path:
        (folder / 'litter').write_text('left behind')
        raise SourceFailed(reason)

    return Fetcher('a way that fails', fetch)


def brings(fashion: FakeFashion) -> Fetcher:
    def fetch(folder: Path) -> Path:
        fashion.write(folder / 'deep' / 'down')
        return folder / 'deep' / 'down'

    return Fetcher('a way that works', fetch)


def test_a_prepared_set_is_read_as_it_is(fashion: FakeFashion, prepared: Path):
    lines: list[str] = []
    dataset = load(fashion, prepared, lines=lines, fetchers=[fails('must not be asked')])
    assert lines == [f'fashion_mnist: prepared in {prepared / PREPARED}']
    assert dataset.name == 'fashion_mnist' and dataset.class_names[9] == 'Ankle boot'
    np.testing.assert_array_equal(dataset.train.images[..., 0], fashion.train_images)
    np.testing.assert_array_equal(dataset.train.labels, fashion.train_labels)
    assert (len(dataset.train), len(dataset.test)) == (700, 30)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('where', ['data', 'data/fashion-mnist', 'system'])
def test_idx_files(fashion: FakeFashion, tmp_path: Path, where: str, zipped: bool):
    fashion.write(tmp_path / where, zipped=zipped)
    lines: list[str] = []
    dataset = load(fashion, tmp_path / 'data', lines=lines, system=tmp_path / 'system')
    np.testing.assert_array_equal(dataset.train.images[..., 0], fashion.train_images)
    assert [line[:18] for line in lines] == [
        'fashion_mnist: not',
        'fashion_mnist: IDX',
        'fashion_mnist: now',
    ]
    assert lines[1].endswith(f'IDX files in {tmp_path / where}')
    assert (tmp_path / 'data' / PREPARED).is_dir()


def test_fetchers_are_asked_in_order_and_what_they_bring_is_kept(
    fashion: FakeFashion, tmp_path: Path
):
    lines: list[str] = []
    ways = [fails('no network'), brings(fashion)]
    first = load(fashion, tmp_path, lines=lines, fetchers=ways)
    assert [line.split()[1] for line in lines[:4]] == ['not', 'no', 'a', 'a']
    assert len(lines) == 5 and not any('\n' in line for line in lines)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {'.lock', 'fashion-mnist', 'fashion_mnist_idx'}
    shutil.rmtree(tmp_path / 'fashion_mnist_idx')
    again = load(fashion, tmp_path, fetchers=[fails('must not be needed')])
    assert again.fingerprint == first.fingerprint


def test_when_all_ways_fail_all_four_reasons_are_given(fashion: FakeFashion, tmp_path: Path):
    with pytest.raises(BadInput) as error:
        load(fashion, tmp_path, fetchers=[fails('no route to host'), fails('no apt here')])
    summary, reasons = str(error.value).split('\n')
    assert str(tmp_path) in summary and 'train-images-idx3-ubyte.gz' in summary
    assert reasons == (
        f'(a) not prepared in {tmp_path}; (b) no IDX files in {tmp_path} or /nowhere; '
        '(c) no route to host; (d) no apt here.'
    )
    assert [path.name for path in tmp_path.iterdir()] == ['.lock']


def test_one_missing_file_is_named(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    (tmp_path / 't10k-labels-idx1-ubyte.gz').unlink()
    with pytest.raises(BadInput, match=r'\(b\) .* lacks t10k-labels-idx1-ubyte'):
        load(fashion, tmp_path)


def test_a_way_that_brings_wrong_data_is_passed_over(fashion: FakeFashion, tmp_path: Path):
    def bring_page(folder: Path) -> Path:
        for name in fashion.files:
            (folder / f'{name}.gz').write_text('<html>log in first</html>')
        return folder

    ways = [Fetcher('a portal', bring_page), Fetcher('an empty package', lambda folder: folder)]
    with pytest.raises(BadInput, match=r'\(c\) .*not the published.*; \(d\) it brought no train'):
        load(fashion, tmp_path, fetchers=ways)
    assert not (tmp_path / 'fashion-mnist').exists()
    load(fashion, tmp_path, fetchers=[ways[0], brings(fashion)])


@pytest.mark.parametrize('alone', [True, False])
@pytest.mark.parametrize('where', ['data', 'data/fashion-mnist', 'system'])
def test_a_damaged_file_is_an_error_and_not_passed_over(
    fashion: FakeFashion, tmp_path: Path, where: str, alone: bool
):
    fashion.write(tmp_path / where)
    bad = tmp_path / where / 'train-labels-idx1-ubyte.gz'
    bad.write_bytes(bad.read_bytes()[:-9])
    if alone:
        for other in set((tmp_path / where).iterdir()) - {bad}:
            other.unlink()
    before = bad.read_bytes()
    with pytest.raises(BadInput, match=f'{bad} is not the published') as error:
        load(fashion, tmp_path / 'data', system=tmp_path / 'system', fetchers=[brings(fashion)])
    assert not (tmp_path / 'data' / PREPARED).exists() and bad.read_bytes() == before
    assert 'elete' not in str(error.value)
    if where == 'system':  # which only root can mend
        assert f'Put the four published files into {tmp_path / "data"}.' in str(error.value)
        fashion.write(tmp_path / 'data')
        assert load(fashion, tmp_path / 'data', system=tmp_path / 'system').num_classes == 10


@pytest.mark.parametrize('damage', ['flip', 'cut', 'empty', 'gone'])
@pytest.mark.parametrize(
    'file',
    ['train.array_record', 'test.array_record', 'dataset_info', 'features', 'label.labels'],
)
def test_a_damaged_prepared_set_is_named(
    fashion: FakeFashion, prepared: Path, tmp_path: Path, file: str, damage: str
):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (path,) = (tmp_path / PREPARED).glob(f'*{file}*')
    data = bytearray(path.read_bytes())
    if damage == 'flip':
        data[len(data) // 2] ^= 4
    elif damage == 'cut':
        del data[len(data) // 2 :]
    path.write_bytes(b'' if damage == 'empty' else data)
    if damage == 'gone':
        path.unlink()
    with pytest.raises(BadInput) as error:
        load(fashion, tmp_path, fetchers=[brings(fashion)])
    text = str(error.value)
    assert str(path) in text and f'move {tmp_path / PREPARED} away and run again' in text
    assert '\n' not in text


@pytest.mark.parametrize('names', ['', 'Shirt\n' * 10, '\n'.join('abcdefghij')])
def test_wrong_class_names_are_named_at_the_first_reading(
    fashion: FakeFashion, prepared: Path, tmp_path: Path, names: str
):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    (tmp_path / PREPARED / CHECKSUMS).unlink()
    (tmp_path / PREPARED / 'label.labels.txt').write_text(names)
    with pytest.raises(BadInput, match=f'{tmp_path / PREPARED}/label.labels.txt .* run again'):
        load(fashion, tmp_path)


def test_another_whole_set_in_its_place_is_refused(fashion: FakeFashion, prepared: Path):
    other = {**fashion.hashes, 't10k-labels-idx1-ubyte': '0' * 64}
    with pytest.raises(
        BadInput, match=r'test.array_record-00000-of-00001 does not hold the published data: move'
    ):
        load_fashion_mnist(prepared, log=[].append, hashes=other)


def test_what_a_killed_run_left_is_removed(fashion: FakeFashion, tmp_path: Path):
    half = tmp_path / 'fashion_mnist_idx' / 'incomplete.ABC_1.0.0'
    half.mkdir(parents=True)
    (half / 'dataset_info.json').write_text('{}')
    (tmp_path / '.scratch-x').mkdir()
    load(fashion, tmp_path, fetchers=[brings(fashion)])
    assert not half.exists() and not (tmp_path / '.scratch-x').exists()


def test_two_at_once_prepare_once(fashion: FakeFashion, tmp_path: Path):
    asked: list[Path] = []
    second_waits = threading.Event()
    fingerprints: list[str] = []
    lines: list[str] = []

    def log(line: str) -> None:
        lines.append(line)
        if 'waiting' in line:
            second_waits.set()

    def fetch(folder: Path) -> Path:
        asked.append(folder)
        other.start()
        assert second_waits.wait(60)
        return brings(fashion).fetch(folder)

    def second() -> None:
        dataset = load_fashion_mnist(
            tmp_path,
            log=log,
            hashes=fashion.hashes,
            system_folder=Path('/nowhere'),
            fetchers=[Fetcher('asked', fetch)],
        )
        fingerprints.append(dataset.fingerprint)

    other = threading.Thread(target=second)
    fingerprints.append(load(fashion, tmp_path, fetchers=[Fetcher('asked', fetch)]).fingerprint)
    other.join(60)
    assert len(asked) == 1
    assert len(lines) == 1  # it waited, and then had nothing to do but to read
    assert len(fingerprints) == 2 and fingerprints[0] == fingerprints[1]


def test_a_full_disk_while_preparing(
    fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """ArrayRecord reports a full disk as a RuntimeError."""
    from array_record.python import array_record_module

    class Full:
        def __init__(self, *args: object) -> None:
            raise RuntimeError('write() failed: No space left on device; writing x; at byte 5')

    monkeypatch.setattr(array_record_module, 'ArrayRecordWriter', Full)
    fashion.write(tmp_path)
    with pytest.raises(BadInput, match='cannot be written .*No space left on device.: make'):
        load(fashion, tmp_path)
    assert not (tmp_path / PREPARED).exists()
    assert [path.name for path in tmp_path.glob('.scratch*')] == []


def test_too_little_space_is_said_before_anything_is_fetched(
    fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=10**8))
    with pytest.raises(BadInput, match='has 100 MB free and 250 MB are needed'):
        load(fashion, tmp_path, fetchers=[fails('must not be asked')])


def test_neither_tensorflow_nor_jax_is_imported(prepared: Path, fashion: FakeFashion):
    script = f"""
import sys
import cnn_jax.data
assert 'tensorflow_datasets' not in sys.modules
from pathlib import Path
from cnn_jax.data.fashion_mnist import load_fashion_mnist
dataset = load_fashion_mnist(Path({str(prepared)!r}), log=print, hashes={fashion.hashes!r})
assert dataset.train.images.shape == (700, 28, 28, 1)
for name in ('tensorflow', 'jax'):
    assert name not in sys.modules, name
"""
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('fashion_mnist: prepared') and done.stdout.count('\n') == 1
