"""How a worker handles the errors of a cell."""

import errno
import json
import os
from typing import Any, cast

import pytest

from cnn_jax import backend
from cnn_jax.data import make_shapes
from cnn_jax.errors import BadInput, InUse
from cnn_jax.runs import Cell, worker
from cnn_jax.runs.worker import How
from cnn_jax.strategies import Max


def outcome(monkeypatch, tmp_path, error=None, *, trust_backend=True) -> tuple[str, Any]:
    def raises(*_, **__):
        if error is not None:
            raise error
        return {'status': 'completed'}

    monkeypatch.setattr(worker, 'run_cell', raises)
    cell = Cell(strategy=Max(), seed=0, data='shapes_tiny')
    how = How(trust_backend, stop=lambda: False, log=lambda line: None)
    job = ('max', 0), cell, tmp_path / 'cell'
    kind, value = cast(
        tuple[str, Any], worker._outcome(job, make_shapes(train=8, test=8), how, lambda steps: None)
    )
    return (kind, value[1]) if kind == 'done' else (kind, value)


@pytest.mark.parametrize(
    'error',
    [MemoryError('a lot'), TypeError('strategy'), OSError('not of the system'), KeyError('x')],
)
def test_an_error_of_a_cell_is_its_result(monkeypatch, tmp_path, error):
    kind, result = outcome(monkeypatch, tmp_path, error)
    assert kind == 'done' and result['status'] == 'failed'
    assert result['message'].startswith(type(error).__name__)
    assert json.loads((tmp_path / 'cell' / 'result.json').read_text()) == result


@pytest.mark.parametrize(
    'error, said',
    [
        (BadInput('disk full: here'), 'disk full: here'),
        (OSError(errno.EIO, os.strerror(errno.EIO), 'runs/a'), 'Input/output error: runs/a.'),
    ],
)
def test_what_no_cell_can_help_is_refused(monkeypatch, tmp_path, error, said):
    kind, why = outcome(monkeypatch, tmp_path, error)
    assert kind == 'refused' and why.startswith(said)
    assert not (tmp_path / 'cell').exists()


def test_a_cell_that_another_process_runs_is_no_failure(monkeypatch, tmp_path):
    error = InUse('cells/a is in use by process 7')
    assert outcome(monkeypatch, tmp_path, error) == ('in use', str(error))
    assert not (tmp_path / 'cell').exists()


def test_a_failure_that_cannot_be_recorded_is_refused(monkeypatch, tmp_path):
    (tmp_path / 'cell').write_text('')
    kind, why = outcome(monkeypatch, tmp_path, TypeError('strategy'))
    assert kind == 'refused' and 'cannot write' in why


def test_wrong_numbers_are_refused_before_anything_is_run_unless_trusted(monkeypatch, tmp_path):
    def wrong():
        raise BadInput('this backend computes wrong numbers')

    monkeypatch.setattr(backend, 'check_backend', wrong)
    worker._require_right_backend.cache_clear()
    kind, why = outcome(monkeypatch, tmp_path, AssertionError, trust_backend=False)
    assert (kind, why) == ('refused', 'this backend computes wrong numbers')
    assert outcome(monkeypatch, tmp_path)[0] == 'done'
    worker._require_right_backend.cache_clear()
