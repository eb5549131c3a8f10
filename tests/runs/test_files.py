"""Atomic files, the lock and the metrics log."""

import pytest

from cnn_jax.errors import BadInput
from cnn_jax.runs.files import locked, read_json, write_atomically, write_json
from cnn_jax.runs.metrics_log import append_row, cut_after, read_rows


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / 'a.json'
    write_json(path, {'a': 1})
    monkeypatch.setattr('os.fsync', lambda fd: (_ for _ in ()).throw(OSError(28, 'full')))
    with pytest.raises(OSError):
        write_atomically(path, b'half')
    assert read_json(path) == {'a': 1}
    assert [p.name for p in tmp_path.iterdir()] == ['a.json']


def test_unreadable_json_is_named(tmp_path):
    path = tmp_path / 'a.json'
    for content in ('{"a": 1', '[1]'):
        path.write_text(content)
        with pytest.raises(BadInput, match=r'a\.json'):
            read_json(path)


def test_the_lock_is_refused_to_a_second_holder_and_given_back(tmp_path):
    with (
        locked(tmp_path),
        pytest.raises(BadInput, match='in use by process'),
        locked(tmp_path),
    ):
        pass
    with locked(tmp_path):
        pass


def test_rows_past_a_checkpoint_are_cut_and_a_broken_last_line_is_left_out(tmp_path):
    path = tmp_path / 'metrics.jsonl'
    for step in (10, 20, 30):
        append_row(path, {'step': step, 'loss': step / 3})
    whole = path.read_text()
    path.write_text(whole + '{"step": 40, "lo')
    assert [row['step'] for row in read_rows(path)] == [10, 20, 30]
    cut_after(path, 20)
    assert path.read_text() == ''.join(whole.splitlines(keepends=True)[:2])
