"""Checkpoints: bit-equal round trips, and detection of damage."""

import subprocess
import sys
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from cnn_jax.errors import BadInput
from cnn_jax.runs import checkpoint
from cnn_jax.runs import folder as folder_guards
from cnn_jax.runs.checkpoint import restore_checkpoint, save_checkpoint

ROOT = Path(__file__).parents[2]


def tree(value: float) -> dict:
    rng = np.random.default_rng(int(value))
    return {'w': jnp.asarray(rng.normal(size=(50, 40)), jnp.float32), 'step': jnp.int32(value)}


def restored(folder):
    said = []
    found = restore_checkpoint(folder, tree(0), warn=said.append)
    return (None if found is None else found.step), said, found


def largest_file(folder):
    return max((p for p in folder.rglob('*') if p.is_file()), key=lambda p: p.stat().st_size)


def test_the_newest_comes_back_bit_equal_and_two_are_kept(tmp_path):
    for step in (1, 2, 10):
        save_checkpoint(tmp_path, tree(step), step=step)
    step, said, found = restored(tmp_path)
    assert step == 10 and said == []
    assert found is not None
    np.testing.assert_array_equal(found.tree['w'], tree(10)['w'])
    assert int(found.tree['step']) == 10
    assert sorted(p.name for p in tmp_path.iterdir()) == ['10', '2']


def test_nothing_there(tmp_path):
    assert restore_checkpoint(tmp_path / 'none', tree(0), warn=print) is None


@pytest.mark.parametrize('position', [0.1, 0.5, 0.9])
def test_a_flipped_bit_falls_back_with_a_warning(tmp_path, position):
    for step in (1, 2):
        save_checkpoint(tmp_path, tree(step), step=step)
    path = largest_file(tmp_path / '2')
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)
    step, said, _ = restored(tmp_path)
    assert step == 1 and 'is damaged' in said[0] and 'SHA-256' in said[0]


def test_truncated_missing_or_unlisted_files_fall_back(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, tree(step), step=step)
    path = largest_file(tmp_path / '2')
    path.write_bytes(path.read_bytes()[:-1])
    assert restored(tmp_path)[0] == 1
    (tmp_path / '1' / 'manifest.json').unlink()
    step, said, _ = restored(tmp_path)
    assert step is None and 'manifest' in said[0]


def test_a_half_written_checkpoint_is_not_seen(tmp_path):
    save_checkpoint(tmp_path, tree(1), step=1)
    (tmp_path / '1').rename(tmp_path / '7.tmp')
    assert restored(tmp_path)[0] is None
    save_checkpoint(tmp_path, tree(7), step=7)
    assert restored(tmp_path)[0] == 7


def test_a_full_disk_is_said_before_anything_is_touched(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, tree(1), step=1)
    usage = type('Usage', (), {'free': 1000})
    monkeypatch.setattr(folder_guards.shutil, 'disk_usage', lambda folder: usage)
    with pytest.raises(BadInput, match='disk full.*kept.*free some space'):
        save_checkpoint(tmp_path, tree(2), step=2)
    assert restored(tmp_path)[0] == 1


WRITE_UNDER_A_LIMIT = """
import resource, sys
from pathlib import Path
import jax.numpy as jnp
from cnn_jax.exits import exit_codes
from cnn_jax.runs.checkpoint import save_checkpoint
with exit_codes():
    for step in (1, 2):
        save_checkpoint(Path(sys.argv[1]), {'w': jnp.arange(1e5)}, step=step)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
"""


def test_a_disk_that_fails_under_orbax_is_said_in_a_line_and_nothing_is_lost(tmp_path):
    command = [sys.executable, '-c', WRITE_UNDER_A_LIMIT, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding='utf-8', cwd=ROOT, check=False)
    said = f'error: cannot write the checkpoint {tmp_path / "2"}: File too large. What was there'
    assert done.returncode == 2 and done.stderr.startswith(said), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ['1']


FAIL_LATE = """
import asyncio, concurrent.futures, gc, logging, sys
from pathlib import Path
import jax.numpy as jnp
from cnn_jax.exits import exit_codes
from cnn_jax.runs import checkpoint

class Late:  # as a callback of a thread of tensorstore, which raises where nothing can catch it
    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error

def save(self, *_):
    async def task():
        raise ValueError('of a task that nobody awaits')

    async def main():
        global failed
        failed = asyncio.ensure_future(task())
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(main())
    Late(RuntimeError('Event loop is closed'))
    raise OSError(28, 'No space left on device')

checkpoint.ocp.PyTreeCheckpointer.save = save
with exit_codes():
    try:
        checkpoint.save_checkpoint(Path(sys.argv[1]), {'w': jnp.arange(9)}, step=1)
    finally:
        Late(RuntimeError('Event loop is closed'))
        logging.getLogger('absl').error('late words of a thread')
        del failed
        gc.collect()
        Late(KeyError('of others'))
"""


def test_what_orbax_leaves_behind_says_nothing_after_a_failure(tmp_path):
    command = [sys.executable, '-c', FAIL_LATE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, encoding='utf-8', cwd=ROOT, check=False)
    assert done.returncode == 2, done.stderr
    assert 'closed' not in done.stderr and 'awaits' not in done.stderr, done.stderr
    assert 'late words' not in done.stderr and "KeyError: 'of others'" in done.stderr, done.stderr
    last = f'error: cannot write the checkpoint {tmp_path / "1"}: OSError: [Errno 28] No space left'
    assert done.stderr.splitlines()[-1].startswith(last), done.stderr


@pytest.mark.parametrize('call', ['save', 'restore'])
@pytest.mark.parametrize(
    'error',
    [OSError(5, 'Input/output error'), ValueError("RESOURCE_EXHAUSTED [os_error_code='5']")],
)
def test_errors_of_orbax_are_bad_input(tmp_path, monkeypatch, call, error):
    save_checkpoint(tmp_path, tree(1), step=1)

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(checkpoint.ocp.PyTreeCheckpointer, call, fail)
    with pytest.raises(BadInput, match='cannot (write|read) the checkpoint .*Input/output error'):
        save_checkpoint(tmp_path, tree(2), step=2)
        restored(tmp_path)
    monkeypatch.undo()
    assert restored(tmp_path)[:2] == (2 if call == 'restore' else 1, [])


def test_the_record_comes_back_and_is_checked(tmp_path):
    save_checkpoint(tmp_path, tree(1), step=1, record={'metrics': [{'step': 1, 'loss': 0.1}]})
    _, _, found = restored(tmp_path)
    assert found is not None and found.record == {'metrics': [{'step': 1, 'loss': 0.1}]}
    assert checkpoint.is_whole(tmp_path, 1) and not checkpoint.is_whole(tmp_path, 2)
    path = tmp_path / '1' / 'record.json'
    path.write_bytes(path.read_bytes().replace(b'0.1', b'0.2'))
    assert not checkpoint.is_whole(tmp_path, 1)
    step, said, _ = restored(tmp_path)
    assert step is None and 'record.json does not match its SHA-256' in said[0]


def test_what_is_damaged_is_kept_however_often(tmp_path):
    for _ in range(3):
        save_checkpoint(tmp_path, tree(1), step=1)
        (tmp_path / '1' / 'manifest.json').write_text('[]')
        restored(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {'1.damaged', '1.damaged-2', '1.damaged-3'}
