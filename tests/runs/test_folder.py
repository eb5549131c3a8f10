"""The lock and the metrics log."""

import pytest

from cnn_jax.errors import BadInput
from cnn_jax.runs.folder import locked
from cnn_jax.runs.metrics_log import append_row, cut_after, read_rows


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
