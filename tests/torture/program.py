"""The real program, run in a forked child: imports cost seconds, a fork almost nothing.

What differs from a run from the shell: workers are forked rather than spawned, the clock of a cell
counts its readings, so that even timings must be the same bytes, the backend is trusted, and no
revision of git is looked up.
"""

import itertools
import json
import multiprocessing
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from cnn_jax.exits import exit_codes
from tests.torture.judge import fingerprint

ROOT = Path(__file__).parents[2]
RECIPE = ['configs/shapes/tiny.py', '--strategies', 'max', '--seeds', '0', '--epochs', '3']
RECIPE += ['--batch-size', '64', '--evaluation.worst-case-images', '4', '--workers', '1']
_PATIENCE = 600.0


@dataclass(frozen=True)
class Outcome:
    """How a child ended: exit code, negative for a signal, and what it wrote to stderr."""

    code: int
    said: str


def prepare() -> None:
    """Imports everything that a run needs, and replaces clock and worker processes."""
    warnings.simplefilter('ignore')
    import matplotlib.backends.backend_agg  # noqa: F401
    import orbax.checkpoint  # noqa: F401

    from cnn_jax.runs import cell, environment, parallel
    from cnn_jax.runs.worker import work

    environment._git = lambda *_: None  # whoever edits a file meanwhile makes no difference
    environment._command = environment._now = str  # no folder's name, no date
    ticks = itertools.count()
    cell.time = SimpleNamespace(monotonic=lambda: float(next(ticks)))  # pyright: ignore
    forking = SimpleNamespace(get_context=lambda _: multiprocessing.get_context('fork'))
    parallel.multiprocessing = forking  # pyright: ignore

    def forked(*arguments) -> None:
        for fd in map(int, os.listdir('/proc/self/fd')):  # a spawned worker has no lock of a parent
            try:
                if os.readlink(f'/proc/self/fd/{fd}').endswith('/lock'):
                    os.close(fd)
            except OSError:
                pass
        work(*arguments)

    parallel.work = forked


def in_child(call: Callable[[], None], log: Path, *, patience: float = _PATIENCE) -> Outcome:
    """Runs `call` in a forked process with a process group of its own, its output in `log`.

    It is killed after `patience` seconds.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setsid()
            target = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            os.dup2(target, 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            code = _exit_code(call)
            sys.stderr.flush()
        finally:
            os._exit(code)
    deadline = time.monotonic() + patience
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            break
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
        time.sleep(0.01)
    return Outcome(os.waitstatus_to_exitcode(status), log.read_text(errors='replace'))


def _exit_code(call: Callable[[], None]) -> int:
    try:
        call()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def comparison(folder: Path, *, then: Path | None = None) -> Callable[[], None]:
    """The command into `folder`; with `then`, its fingerprint goes into that file afterwards."""

    def call() -> None:
        from experiments import compare_pooling

        os.chdir(ROOT)
        sys.argv = ['compare_pooling', *RECIPE, '--output', str(folder), '--trust-backend']
        with exit_codes():
            compare_pooling.main()
        if then is not None:
            then.write_text(json.dumps(fingerprint(folder)))

    return call


def complaints(outcome: Outcome, allowed: Sequence[int]) -> list[str]:
    """What is wrong with how a program ended: its code, a traceback, more than two lines."""
    found = []
    if outcome.code not in allowed:
        found.append('exit code')
    if 'Traceback' in outcome.said:
        found.append('traceback')
    _, error, rest = outcome.said.partition('error: ')
    if error and len(rest.strip().splitlines()) > 2:
        found.append('more than two lines')
    if outcome.code == 2 and (not error or '/' not in rest):
        found.append('no file named')
    return found
