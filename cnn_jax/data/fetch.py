"""Fetching files over an unreliable network, with timeouts."""

import http.client
import os
import queue
import shutil
import signal
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path


class SourceFailed(Exception):
    """One source of the data did not work; the message is the reason, on one line."""


def download(url: str, path: Path, *, seconds: float) -> None:
    """Writes the content of `url` to `path`.

    seconds: the timeout until the response begins, host name look-up included, and again for each
    chunk. Raises `SourceFailed` for anything that goes wrong on the network; a local `OSError` (a
    full disk) passes through.
    """
    with _open(url, seconds) as answer, path.open('wb') as file:
        while piece := _read(answer, url):
            file.write(piece)
        if answer.length:  # bytes of the announced length that never came
            raise SourceFailed(f'{url}: broke off ({answer.length} bytes are missing)')


def _open(url: str, seconds: float) -> http.client.HTTPResponse:
    # A thread, because the look-up of a name has no timeout; a daemon thread, so that it does not
    # keep the process alive if it hangs.
    outcome: queue.SimpleQueue[http.client.HTTPResponse | Exception] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(urllib.request.urlopen(url, timeout=seconds))
        except Exception as error:
            outcome.put(error)

    threading.Thread(target=work, name='download', daemon=True).start()
    try:
        answer = outcome.get(timeout=seconds)
    except queue.Empty:
        raise SourceFailed(f'{url}: no connection within {seconds:g} s') from None
    if isinstance(answer, Exception):
        raise SourceFailed(f'{url}: {_reason(answer)}') from answer
    return answer


def _read(answer: http.client.HTTPResponse, url: str) -> bytes:
    try:
        return answer.read(1 << 20)
    except (OSError, http.client.HTTPException) as error:
        raise SourceFailed(f'{url}: broke off ({_reason(error)})') from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
        error = error.reason
    return ' '.join(str(error).split()) or type(error).__name__


def run_command(
    command: Sequence[str], *, folder: Path, seconds: float, environment: Mapping[str, str]
) -> None:
    """Runs a program in `folder`, without a terminal and for at most `seconds`.

    environment: variables to set in addition to ours. Raises `SourceFailed` when the program is not
    installed, does not end in time (it and its children are killed) or fails; the reason is the
    first line it wrote to stderr that is not one of apt's warnings.

    >>> run_command(['true'], folder=Path('.'), seconds=10.0, environment={})
    """
    program = command[0]
    if shutil.which(program) is None:
        raise SourceFailed(f'{program} is not installed')
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            _, errors = process.communicate(timeout=seconds)
        except BaseException as error:  # Ctrl-C too: leave no child behind
            os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise SourceFailed(f'{program} did not end within {seconds:g} s') from error
            raise
    if process.returncode != 0:
        lines = [' '.join(line.split()) for line in errors.decode(errors='replace').splitlines()]
        reasons = [line for line in lines if line and not line.startswith('W:')]
        reason = reasons[0] if reasons else 'no message'
        raise SourceFailed(f'{program} failed with code {process.returncode}: {reason}')
