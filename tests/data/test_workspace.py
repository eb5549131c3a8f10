import errno
import fcntl
import threading
from pathlib import Path

import pytest

from cnn_jax.data.workspace import exclusive, remove_leftovers, require_space, scratch
from cnn_jax.errors import BadInput


def test_the_second_waits_and_says_so(tmp_path: Path):
    said, entered = threading.Event(), threading.Event()

    def second() -> None:
        with exclusive(tmp_path, lambda line: said.set()):
            entered.set()

    thread = threading.Thread(target=second)
    with exclusive(tmp_path, lambda line: pytest.fail('nobody to wait for')):
        thread.start()
        assert said.wait(30)
        assert not entered.is_set()
    thread.join(30)
    assert entered.is_set()


def test_the_lock_is_free_after_an_error(tmp_path: Path):
    with pytest.raises(KeyError), exclusive(tmp_path, print):
        raise KeyError
    with (tmp_path / '.lock').open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    'error', [OSError(errno.ENOSPC, 'No space left'), OSError('No space left')]
)
def test_a_full_disk_is_bad_input(tmp_path: Path, error: OSError):
    message = r'cannot be written \(No space left\)'
    with pytest.raises(BadInput, match=message), exclusive(tmp_path, print):
        raise error


def test_a_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / 'file').write_text('')
    with (
        pytest.raises(BadInput, match='CNN_JAX_DATA_DIR'),
        exclusive(tmp_path / 'file' / 'x', print),
    ):
        pytest.fail('must not get here')


def test_scratch_goes_away_and_is_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    with scratch(Path('.')) as place:
        assert place.is_absolute() and place.parent == tmp_path
        (place / 'sub').mkdir()
    assert list(tmp_path.iterdir()) == []


def test_only_our_own_leftovers_are_removed(tmp_path: Path):
    for name in ('.scratch-x/lists', 'mnist/incomplete.B'):
        (tmp_path / name).mkdir(parents=True)
    remove_leftovers(tmp_path)
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob('*')}
    assert left == {'mnist', 'mnist/incomplete.B'}


def test_space(tmp_path: Path):
    require_space(tmp_path, needed=1)
    with pytest.raises(BadInput, match='1000000000000 MB are needed: make room'):
        require_space(tmp_path, needed=10**18)
