"""The lock and the metrics log."""

import errno
import os
import re
import threading

import pytest

from cnn_jax.errors import BadInput, InUse
from cnn_jax.runs import folder as folder_guards
from cnn_jax.runs.environment import describe_environment
from cnn_jax.runs.folder import locked
from cnn_jax.runs.metrics_log import Log, read_rows


def test_the_lock_is_refused_to_a_second_holder_and_given_back(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(InUse, match='in use by process'),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_a_wait_is_said_once_and_ends_when_the_lock_is_free(tmp_path, monkeypatch):
    monkeypatch.setattr(folder_guards, '_SAY_AFTER', 0.3)
    said = []
    with (
        locked(tmp_path),
        pytest.raises(InUse),
        locked(tmp_path, wait_seconds=0.2, log=said.append),
    ):
        pass
    assert said == []
    with (
        locked(tmp_path),
        pytest.raises(InUse),
        locked(tmp_path, wait_seconds=0.8, log=said.append),
    ):
        pass
    expected = rf'{tmp_path} is in use by process {os.getpid()} on .+: waiting for it, up to 1 s'
    assert len(said) == 1 and re.fullmatch(expected, said[0])
    let_go = threading.Event()

    def hold():
        with locked(tmp_path):
            holds.set()
            let_go.wait(60)

    holds, holder = threading.Event(), threading.Thread(target=hold)
    holder.start()
    holds.wait(60)
    with locked(tmp_path, wait_seconds=60.0, log=lambda line: let_go.set()):
        holder.join()


def test_the_file_of_a_log_is_what_was_logged_whatever_lay_there(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(b'{"step": 40, "lo\xff')
    log = Log(path, [{'step': 10, 'loss': 1 / 3}])
    log.append({'step': 20, 'loss': float('nan')})
    assert (
        path.read_bytes()
        == log.content()
        == b''.join(
            [b'{"step": 10, "loss": 0.3333333333333333}\n', b'{"step": 20, "loss": null}\n']
        )
    )


@pytest.mark.parametrize('end', [b'{"step": 40, "lo', b'{"step": "40"}\n', b'\xff\n', b'[1]\n'])
def test_rows_of_an_older_version_end_at_the_first_damaged_one(tmp_path, end):
    path = tmp_path / 'metrics.jsonl'
    path.write_bytes(b'{"step": 10}\n{"step": 20}\n' + end + b'{"step": 50}\n')
    assert [row['step'] for row in read_rows(path)] == [10, 20]


def test_a_log_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / 'metrics.jsonl').mkdir()
    log = Log(tmp_path / 'new' / 'metrics.jsonl', [])
    with pytest.raises(BadInput, match=r'No such file or directory: .*metrics\.jsonl'):
        log.append({'step': 1})
    with pytest.raises(BadInput, match=r'cannot write .*metrics\.jsonl'):
        Log(tmp_path / 'metrics.jsonl', [])


@pytest.mark.parametrize('reason', [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_said_and_can_be_accepted(tmp_path, monkeypatch, reason):
    def refuse(*_):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(folder_guards.fcntl, 'flock', refuse)
    with (
        pytest.raises(BadInput, match='lock has no locks .*local disk, or set CNN_JAX_NO_LOCK=1'),
        locked(tmp_path),
    ):
        pass
    monkeypatch.setenv('CNN_JAX_NO_LOCK', '1')
    with locked(tmp_path):
        assert describe_environment()['flags']['CNN_JAX_NO_LOCK'] == '1'


def test_another_error_of_a_lock_names_it(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(folder_guards.fcntl, 'flock', fail)
    with pytest.raises(OSError) as caught, locked(tmp_path):
        pass
    assert caught.value.filename == str(tmp_path / 'lock')
