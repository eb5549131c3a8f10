"""The doctor works even if much is missing, and says what to do about it."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from cnn_jax.runs import doctor
from cnn_jax.xla_flags import FLAG, NAME

ROOT = Path(__file__).parents[2]


def run(folder: Path, **environment: str | None) -> tuple[int, dict, str]:
    """Exit code, checks by name, and stderr of a doctor whose working folder is `folder`."""
    given: Mapping[str, str | None] = {**os.environ, 'PYTHONPATH': str(ROOT), **environment}
    done = subprocess.run(
        [sys.executable, '-m', 'experiments.doctor', '--json', 'checks.json'],
        cwd=folder,
        env={name: value for name, value in given.items() if value is not None},
        capture_output=True,
        text=True,
    )
    assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    values = json.loads((folder / 'checks.json').read_text())
    assert list(values) == ['checks']
    checks = {check['name']: check for check in values['checks']}
    assert all(set(check) == {'name', 'ok', 'message'} for check in checks.values())
    assert done.stdout.count('\n') == len(checks)
    wrong = [name for name, check in checks.items() if not check['ok']]
    assert done.returncode == (2 if wrong else 0)
    if wrong:
        assert f'{len(wrong)} of {len(checks)} checks found a fault: {", ".join(wrong)}' in (
            done.stderr
        )
    return done.returncode, checks, done.stderr


def test_all_is_well_in_an_empty_folder_without_data(tmp_path):
    code, checks, err = run(tmp_path, CNN_JAX_DATA_DIR=str(tmp_path / 'none'), XLA_FLAGS=None)
    assert (code, err) == (0, '')
    assert (
        checks['data folder']['ok'] and 'make compare fetches' in checks['data folder']['message']
    )
    assert checks['XLA flags']['message'] == FLAG
    assert checks['numbers: product and sum, small']['message'] == 'right'
    assert 'jaxlib' in checks['packages']['message']
    assert sorted(path.name for path in tmp_path.iterdir()) == ['checks.json']


def test_a_flag_unknown_to_xla_and_data_that_is_a_file(tmp_path):
    (tmp_path / 'data').write_text('')
    code, checks, _ = run(tmp_path, XLA_FLAGS='--xla_nonsense=1', CNN_JAX_DATA_DIR='data')
    assert code == 2
    assert [name for name, check in checks.items() if not check['ok']] == [
        'XLA flags',
        'data folder',
    ]
    assert '--xla_nonsense=1' in checks['XLA flags']['message']
    assert 'is a file or lies in one' in checks['data folder']['message']
    assert 'devices' not in checks and 'disk' in checks


def test_a_missing_device_and_no_home(tmp_path):
    code, checks, _ = run(tmp_path, JAX_PLATFORMS='cuda', HOME=None, XDG_CACHE_HOME=None)
    assert code == 2
    assert not checks['devices']['ok'] and 'JAX_PLATFORMS=cuda' in checks['devices']['message']
    assert not any(name.startswith('numbers') for name in checks)
    assert 'data folder' in checks and 'cache' in checks


def test_wrong_numbers_by_a_flag_of_the_user(tmp_path):
    code, checks, _ = run(tmp_path, XLA_FLAGS=f'--{NAME}=reduce', JAX_PLATFORMS='cpu')
    check = checks['numbers: product and sum, small']
    assert code == 2 and not check['ok'] and f'Set XLA_FLAGS={FLAG}' in check['message']


def test_an_unknown_home(monkeypatch):
    def expanduser(path):
        raise RuntimeError('Could not determine home directory.')

    monkeypatch.setattr(Path, 'expanduser', expanduser)
    for name in ('XDG_CACHE_HOME', 'CNN_JAX_DATA_DIR', 'JAX_COMPILATION_CACHE_DIR'):
        monkeypatch.delenv(name, raising=False)
    for check in (doctor.data_check(), doctor.cache_check()):
        assert not check.ok and 'there is no such home folder. Set HOME' in check.message


def test_data_that_cannot_be_read(monkeypatch, tmp_path):
    def iterdir(path):
        raise PermissionError(errno.EACCES, 'Permission denied')

    monkeypatch.setenv('CNN_JAX_DATA_DIR', str(tmp_path))
    monkeypatch.setattr(Path, 'iterdir', iterdir)
    check = doctor.data_check()
    assert not check.ok and 'cannot be read (Permission denied): correct its' in check.message


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_data_without_permission(monkeypatch, tmp_path):
    monkeypatch.setenv('CNN_JAX_DATA_DIR', str(tmp_path / 'data'))
    (tmp_path / 'data').mkdir(mode=0)
    assert not doctor.data_check().ok


def test_a_read_only_disk(monkeypatch, tmp_path):
    def temporary_file(mode, **options):
        raise OSError(errno.EROFS, 'Read-only file system')

    monkeypatch.setattr(doctor.tempfile, 'TemporaryFile', temporary_file)
    monkeypatch.setenv('JAX_COMPILATION_CACHE_DIR', str(tmp_path / 'cache'))
    cache = doctor.cache_check()
    assert not cache.ok and 'cannot be written, so every start compiles anew' in cache.message
    monkeypatch.setenv('CNN_JAX_DATA_DIR', str(tmp_path / 'data'))
    assert 'cannot be made' in doctor.data_check().message and not doctor.data_check().ok
    (tmp_path / 'data' / 'mnist' / '3.0.1').mkdir(parents=True)
    check = doctor.data_check()  # what is there can still be read
    assert check.ok and 'holds mnist. It cannot be written' in check.message


def test_sets_are_listed(monkeypatch, tmp_path):
    for name in ('mnist', 'empty', '.lock'):
        (tmp_path / name).mkdir()
    for name in ('mnist', '.lock'):
        (tmp_path / name / 'file').touch()
    monkeypatch.setenv('CNN_JAX_DATA_DIR', str(tmp_path))
    assert doctor.data_check().message == f'{tmp_path} holds mnist.'


def test_a_missing_package(monkeypatch):
    monkeypatch.setattr(doctor, 'PACKAGES', ('jax', 'no_such_package'))
    check = doctor.packages_check()
    assert not check.ok and check.message.startswith('no_such_package missing')


def test_a_full_disk(monkeypatch):
    assert doctor.disk_check().ok
    monkeypatch.setattr(doctor, 'LEAST_FREE', 1e12)
    assert not doctor.disk_check().ok and '--output' in doctor.disk_check().message


def test_allocators(monkeypatch):
    monkeypatch.delenv('LD_PRELOAD', raising=False)
    monkeypatch.setattr(doctor, 'fast_allocator', lambda: None)
    assert 'pip install cmeel-mimalloc' in doctor.allocator_check().message
    monkeypatch.setattr(doctor, 'fast_allocator', lambda: Path('libmimalloc.so'))
    assert doctor.allocator_check().message.startswith('mimalloc, preloaded')
    monkeypatch.setenv('LD_PRELOAD', '/usr/lib/libtcmalloc.so:/b.so')
    assert doctor.allocator_check().message == 'your own LD_PRELOAD: libtcmalloc.so, b.so'


def test_a_wrong_option():
    done = subprocess.run(
        [sys.executable, '-m', 'experiments.doctor', '--jsn', 'a'],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and len(done.stderr.strip().splitlines()) <= 2
