import gzip
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnn_jax.data.fashion_files import read_files
from cnn_jax.data.fashion_sources import FETCHERS, fetch_debian, fetch_download
from cnn_jax.data.fetch import SourceFailed
from tests.data.conftest import FakeFashion


def test_the_order_is_download_then_debian():
    assert [fetcher.fetch for fetcher in FETCHERS] == [fetch_download, fetch_debian]
    assert all('\n' not in fetcher.title for fetcher in FETCHERS)


def test_downloads_from_the_address_that_tfds_registers(
    fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tensorflow_datasets.image_classification import FashionMNIST

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    fashion.write(tmp_path / 'served')
    (tmp_path / 'got').mkdir()
    monkeypatch.setenv('no_proxy', '*')
    handler = partial(Quiet, directory=str(tmp_path / 'served'))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        monkeypatch.setattr(FashionMNIST, 'URL', f'http://127.0.0.1:{httpd.server_port}/')
        place = fetch_download(tmp_path / 'got')
        httpd.shutdown()
    assert read_files(place, fashion.hashes) is not None


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


@pytest.fixture
def machine(fashion: FakeFashion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a machine whose apt-get and dpkg are scripts; returns where they note their calls."""

    def make(*, lists: str, update: str) -> Path:
        fashion.write(tmp_path / 'files')
        (tmp_path / 'bin').mkdir()
        log = tmp_path / 'calls'
        scripts = {
            'apt-get': APT.format(log=log, lists=lists, update=update),
            'dpkg': DPKG.format(files=tmp_path / 'files'),
        }
        for name, text in scripts.items():
            (tmp_path / 'bin' / name).write_text(text)
            (tmp_path / 'bin' / name).chmod(0o755)
        monkeypatch.setenv('PATH', str(tmp_path / 'bin'), prepend=':')
        (tmp_path / 'scratch').mkdir()
        return log

    return make


def actions(log: Path) -> list[str]:
    return [
        'update' if line.endswith('update') else 'download' for line in log.read_text().splitlines()
    ]


def test_debian_with_the_systems_lists(fashion: FakeFashion, machine, tmp_path: Path):
    log = machine(lists='system', update='never')
    place = fetch_debian(tmp_path / 'scratch')
    assert read_files(place, fashion.hashes) is not None
    assert actions(log) == ['download'] and 'Dir::State::Lists' not in log.read_text()


def test_debian_without_lists_fetches_them_into_its_own_folder(
    fashion: FakeFashion, machine, tmp_path: Path
):
    log = machine(lists='none', update='ok')
    place = fetch_debian(tmp_path / 'scratch')
    assert read_files(place, fashion.hashes) is not None
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


def test_no_apt_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(SourceFailed, match='apt-get is not installed'):
        fetch_debian(tmp_path)


def test_the_fake_files_are_gzip(fashion: FakeFashion, tmp_path: Path):
    fashion.write(tmp_path)
    for name, data in fashion.files.items():
        assert gzip.decompress((tmp_path / f'{name}.gz').read_bytes()) == data
