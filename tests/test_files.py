"""Files are replaced whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from cnn_jax.errors import BadInput
from cnn_jax.files import read_json, write_atomically


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_keeps_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / 'note'
    write_atomically(path, b'old')

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'fsync', full)
    with pytest.raises(BadInput, match=r'note: No space left on device'):
        write_atomically(path, b'new')
    assert contents(tmp_path) == {'note': b'old'}


def test_an_interrupted_write_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / 'note'
    write_atomically(path, b'old')

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, 'replace', stop)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b'new')
    assert contents(tmp_path) == {'note': b'old'}


def test_a_folder_that_cannot_be_made_is_bad_input(tmp_path: Path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(BadInput, match='cannot write'):
        write_atomically(tmp_path / 'file' / 'note', b'new')


def test_unreadable_json_is_named(tmp_path):
    path = tmp_path / 'a.json'
    for content in ('{"a": 1', '[1]'):
        path.write_text(content)
        with pytest.raises(BadInput, match=r'a\.json'):
            read_json(path)
