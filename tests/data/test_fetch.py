import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cnn_jax.data.fetch import SourceFailed, download, run_command

BODY = bytes(range(256)) * 8192  # two pieces


class Answer(BaseHTTPRequestHandler):
    over: threading.Event

    def do_GET(self) -> None:
        if self.path == '/missing':
            return self.send_error(404)
        self.send_response(200)
        self.send_header('Content-Length', str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY[:-10] if self.path in ('/short', '/stalled') else BODY)
        if self.path == '/stalled':
            self.over.wait(20)
        return None

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('no_proxy', '*')


@pytest.fixture
def server() -> Iterator[str]:
    """The address of a server of our own on this machine."""
    Answer.over = threading.Event()
    with ThreadingHTTPServer(('127.0.0.1', 0), Answer) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{httpd.server_port}'
        Answer.over.set()
        httpd.shutdown()


def test_downloads(server: str, tmp_path: Path):
    download(f'{server}/file', tmp_path / 'x', seconds=30.0)
    assert (tmp_path / 'x').read_bytes() == BODY


@pytest.mark.parametrize(('page', 'message'), [('missing', '404'), ('short', 'broke off')])
def test_failures_say_why_in_one_line(server: str, tmp_path: Path, page: str, message: str):
    with pytest.raises(SourceFailed, match=message) as error:
        download(f'{server}/{page}', tmp_path / 'x', seconds=30.0)
    assert f'{server}/{page}: ' in str(error.value) and '\n' not in str(error.value)


def test_a_server_that_stops_in_the_middle(server: str, tmp_path: Path):
    with pytest.raises(SourceFailed, match=r'broke off \(timed out\)'):
        download(f'{server}/stalled', tmp_path / 'x', seconds=1.0)


def test_nobody_there(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))  # bound but not listening
        url = f'http://127.0.0.1:{taken.getsockname()[1]}/x'
        with pytest.raises(SourceFailed, match='refused'):
            download(url, tmp_path / 'x', seconds=30.0)
    assert not (tmp_path / 'x').exists()


def test_a_server_that_never_answers(tmp_path: Path):
    with socket.socket() as silent:
        silent.bind(('127.0.0.1', 0))
        silent.listen()
        url = f'http://127.0.0.1:{silent.getsockname()[1]}/x'
        with pytest.raises(SourceFailed, match='no connection within 0.1 s|timed out'):
            download(url, tmp_path / 'x', seconds=0.1)


def test_a_name_that_is_looked_up_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Time limits of sockets do not reach the look-up: without a limit of our own this hangs."""
    over = threading.Event()

    def hang(*args: object, **kwargs: object) -> list[object]:
        over.wait(5)
        raise OSError('gave up')

    monkeypatch.setattr(socket, 'getaddrinfo', hang)
    try:
        with pytest.raises(SourceFailed, match='no connection within 0.1 s'):
            download('http://example.invalid/x', tmp_path / 'x', seconds=0.1)
        assert not over.is_set()
    finally:
        over.set()


def test_a_full_disk_is_not_the_sources_fault(server: str, tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        download(f'{server}/file', tmp_path / 'no' / 'x', seconds=30.0)


def run(script: str, folder: Path, seconds: float = 30.0) -> None:
    run_command(['sh', '-c', script], folder=folder, seconds=seconds, environment={'WORD': 'hello'})


def test_runs_in_the_folder_with_the_environment(tmp_path: Path):
    run('echo "$WORD" > said', tmp_path)
    assert (tmp_path / 'said').read_text() == 'hello\n'


def test_the_reason_is_the_first_line_that_is_no_warning(tmp_path: Path):
    with pytest.raises(SourceFailed, match=r'^sh failed with code 3: E: the  ?reason$'):
        run('echo "W: never mind" >&2; echo "E: the reason" >&2; echo more >&2; exit 3', tmp_path)
    with pytest.raises(SourceFailed, match='code 4: no message'):
        run('exit 4', tmp_path)


def test_a_program_that_is_not_there(tmp_path: Path):
    with pytest.raises(SourceFailed, match='no-such-program is not installed'):
        run_command(['no-such-program'], folder=tmp_path, seconds=1.0, environment={})


def test_a_program_that_does_not_end_is_killed_with_its_children(tmp_path: Path):
    with pytest.raises(SourceFailed, match='sh did not end within 1 s'):
        run('echo $$ > pid; sleep 60 & wait', tmp_path, seconds=1.0)
    group = int((tmp_path / 'pid').read_text())
    for _ in range(1000):  # the orphaned child is reaped by init, in its own time
        if not is_alive(group):
            break
        time.sleep(0.01)
    assert not is_alive(group)


def is_alive(group: int) -> bool:
    """Whether any process of the group still runs (a dead one that waits to be reaped does not)."""
    for stat in Path('/proc').glob('[0-9]*/stat'):
        try:
            state, _, its_group = stat.read_text().rpartition(')')[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state != 'Z':
            return True
    return False
