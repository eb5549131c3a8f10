"""Runs of the real program, killed and stopped from outside, end like an undisturbed run."""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = 'configs/shapes/tiny.py'
SAME_BYTES = ('config.json', 'metrics.jsonl', 'predictions.npz')
TIMED = ('examples_per_second', 'seconds')


def start(folder: Path) -> subprocess.Popen:
    command = [sys.executable, '-m', 'experiments.compare_pooling', CONFIG]
    command += ['--output', str(folder), '--epochs', '10', '--strategies', 'max']
    return subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen) -> tuple[int, str]:
    _, said = process.communicate(timeout=300)
    return process.returncode, said


def fingerprint(folder: Path) -> dict:
    """Everything that a cell computed: logs, predictions, figures, its last checkpoint's step."""
    out = {}
    for cell in sorted((folder / 'cells').iterdir()):
        out[cell.name] = [hashlib.sha256((cell / f).read_bytes()).hexdigest() for f in SAME_BYTES]
        result = json.loads((cell / 'result.json').read_text())
        out[cell.name].append({k: v for k, v in result.items() if k not in TIMED})
        newest = max((cell / 'checkpoints').glob('[0-9]*'), key=lambda p: int(p.name))
        out[cell.name].append(newest.name)
    return out


def leaves(folder: Path) -> dict[str, bytes]:
    """Every array of every cell's last checkpoint, as bytes."""
    import jax
    import orbax.checkpoint as ocp

    out = {}
    for cell in sorted((folder / 'cells').iterdir()):
        newest = max((cell / 'checkpoints').glob('[0-9]*'), key=lambda p: int(p.name))
        with ocp.PyTreeCheckpointer() as checkpointer:
            tree = checkpointer.restore(newest / 'arrays')
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            out[f'{cell.name}{jax.tree_util.keystr(path)}'] = bytes(memoryview(leaf).cast('B'))
    return out


def metrics_begun(folder: Path) -> bool:
    return any((folder / 'cells').glob('*/metrics.jsonl'))


def wait_until(condition, process: subprocess.Popen, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


@pytest.fixture(scope='module')
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp('undisturbed')
    code, said = finish(start(folder))
    assert code == 0, said
    return folder


def test_the_report_is_there(undisturbed):
    summary = json.loads((undisturbed / 'summary.json').read_text())
    assert set(summary) >= {'config', 'environment', 'strategies', 'comparisons'}
    assert len(summary['strategies']['max']['accuracy']['values']) == 2
    page = (undisturbed / 'report.html').read_text()
    assert page.count('<img') >= 3 or page.count('<svg') >= 3
    assert '<script src' not in page and 'http://' not in page.replace('http://www.w3.org', '')


def test_killed_at_random_and_resumed_ends_in_the_same_bits(undisturbed, tmp_path):
    seed = int.from_bytes(os.urandom(4), 'big')
    wait = random.Random(seed).uniform(0, 3)
    process = start(tmp_path)
    wait_until(lambda: metrics_begun(tmp_path), process)
    time.sleep(wait)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    code, said = finish(start(tmp_path))
    assert code == 0, (seed, said)
    assert fingerprint(tmp_path) == fingerprint(undisturbed), seed
    assert leaves(tmp_path) == leaves(undisturbed), seed


def test_a_killed_worker_ends_the_run_soon_and_costs_nothing(undisturbed, tmp_path):
    process = start(tmp_path)
    wait_until(lambda: any(tmp_path.glob('cells/*/checkpoints/[0-9]*/manifest.json')), process)
    begun = next(iter(tmp_path.glob('cells/*/checkpoints')))
    worker = int((begun.parent / 'lock').read_text().split()[1])
    assert worker != process.pid
    os.kill(worker, signal.SIGKILL)
    start_of_end = time.monotonic()
    code, said = finish(process)
    assert code == 75 and 'a worker process died' in said and 'Traceback' not in said, said
    assert time.monotonic() - start_of_end < 75  # the other one saves within 30 s, or is ended
    code, said = finish(start(tmp_path))
    assert code == 0, said
    assert fingerprint(tmp_path) == fingerprint(undisturbed)


def test_sigterm_saves_and_exits_75_and_a_second_process_is_refused(undisturbed, tmp_path):
    process = start(tmp_path)
    wait_until(lambda: metrics_begun(tmp_path), process)
    os.killpg(process.pid, signal.SIGSTOP)  # so that it does not end before the second one looks
    code, said = finish(start(tmp_path))
    os.killpg(process.pid, signal.SIGCONT)
    assert code == 75 and 'in use by process' in said and len(said.strip().splitlines()) <= 2
    process.send_signal(signal.SIGTERM)
    code, said = finish(process)
    assert code == 75 and 'run the same command again' in said
    finished = set(tmp_path.glob('cells/*/result.json'))
    assert len(finished) < 2
    code, said = finish(start(tmp_path))
    assert code == 0 and said.count('finished before') == len(finished)
    assert fingerprint(tmp_path) == fingerprint(undisturbed)
