"""Files are replaced atomically."""

import ast
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnn_jax import files
from cnn_jax.errors import BadInput, Damaged
from cnn_jax.files import read_json, remove_leftovers, write_atomically, write_json

ROOT = Path(__file__).parents[1]
SOURCES = [p for room in ('cnn_jax', 'experiments') for p in (ROOT / room).rglob('*.py')]


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


def test_what_a_killed_process_left_is_removed_and_what_a_live_one_writes_is_not(tmp_path: Path):
    writer = 'import os, pathlib, sys; from cnn_jax import files\n'
    writer += "os.fsync = lambda _: (print('half', flush=True), sys.stdin.read())\n"
    writer += "files.write_atomically(pathlib.Path(sys.argv[1], 'note'), b'new')\n"
    command = [sys.executable, '-c', writer, str(tmp_path)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, cwd=ROOT) as process:
        assert process.stdout is not None and process.stdout.readline() == b'half\n'
        (half,) = tmp_path.iterdir()
        others = {'.mine.tmp', '.note.12.tmp.json', 'note.12.tmp'}
        for name in others:
            (tmp_path / name).touch()
        remove_leftovers(tmp_path)
        assert set(contents(tmp_path)) == others | {half.name}
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it stays as a zombie
        remove_leftovers(tmp_path)
        assert set(contents(tmp_path)) == others
    half.touch()
    remove_leftovers(tmp_path)
    assert set(contents(tmp_path)) == others


@pytest.mark.parametrize('machine', ['-0123abcd', ''])
def test_what_another_machine_or_version_wrote_goes_when_a_day_old(tmp_path: Path, machine: str):
    no_process_here = 2**31 + 1
    half = tmp_path / f'.note.json.{no_process_here}{machine}.tmp'
    half.touch()
    remove_leftovers(tmp_path)
    assert half.exists()
    os.utime(half, (time.time() - 25 * 3600,) * 2)
    remove_leftovers(tmp_path)
    assert not half.exists()


def test_machines_of_other_names_or_process_numbers_differ(monkeypatch: pytest.MonkeyPatch):
    here = files._machine()
    assert files._machine() == here
    name = os.uname()
    monkeypatch.setattr(os, 'uname', lambda: type(name)((name[0], f'{name[1]}2', *name[2:])))
    assert files._machine() != here
    monkeypatch.undo()
    if Path('/proc/self/ns/pid').exists():
        monkeypatch.setattr(Path, 'exists', lambda path: False)
        assert files._machine() != here


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


def opens_text_in_the_encoding_of_the_locale(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, 'id', '')
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if 'encoding' in given:
        return False
    if name in ('open', 'fdopen', 'NamedTemporaryFile', 'TemporaryFile'):
        if isinstance(call.func, ast.Attribute) and getattr(call.func.value, 'id', '') in (
            'Image',
            'tarfile',
        ):
            return False
        modes = [given['mode']] if 'mode' in given else call.args
        return not any(isinstance(m, ast.Constant) and 'b' in str(m.value) for m in modes)
    if name in ('run', 'Popen', 'check_output'):
        return 'text' in given or 'universal_newlines' in given
    return name in ('read_text', 'write_text')


def test_every_file_is_utf8_whatever_the_locale():
    found = [
        f'{path.relative_to(ROOT)}:{node.lineno}'
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
        if isinstance(node, ast.Call) and opens_text_in_the_encoding_of_the_locale(node)
    ]
    assert len(SOURCES) > 100 and not found, found


@pytest.mark.parametrize(
    'call, found',
    [
        ('path.open()', True),
        ("open(name, 'a')", True),
        ("path.open('ab')", False),
        ("path.read_text(errors='replace')", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ('subprocess.run(command, text=True)', True),
        ('subprocess.run(command)', False),
    ],
)
def test_what_counts_as_the_encoding_of_the_locale(call, found):
    node = ast.parse(call).body[0]
    assert isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)
    assert opens_text_in_the_encoding_of_the_locale(node.value) == found


def test_json_is_the_same_in_another_locale(tmp_path: Path):
    write_json(tmp_path / 'a.json', {'title': 'Größe'})
    code = (
        'import locale, sys, pathlib\n'
        'from cnn_jax.files import read_json, write_json\n'
        'folder = pathlib.Path(sys.argv[1])\n'
        "assert open(folder / 'a.json').encoding.lower() not in ('utf-8', 'utf8')\n"
        "write_json(folder / 'b.json', read_json(folder / 'a.json'))\n"
    )
    ascii_only = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
    subprocess.run(
        [sys.executable, '-c', code, str(tmp_path)],
        check=True,
        cwd=ROOT,
        env=os.environ | ascii_only,
    )
    assert read_json(tmp_path / 'b.json') == {'title': 'Größe'}
    assert (tmp_path / 'a.json').read_bytes() == (tmp_path / 'b.json').read_bytes()


@pytest.mark.parametrize('content', [b'\xff{}', b'[' * 100_000, b'1' * 10_000, b'{"a": 1}{', b''])
def test_what_is_no_json_object_is_damage(tmp_path: Path, content: bytes):
    (tmp_path / 'a.json').write_bytes(content)
    with pytest.raises(Damaged, match=r'a\.json') as caught:
        read_json(tmp_path / 'a.json')
    assert '\n' not in str(caught.value)
