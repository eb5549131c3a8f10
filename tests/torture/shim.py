"""Builds and drives the C library that counts and disturbs a program's file events."""

import ctypes
import errno
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

VARIABLE = 'CNN_JAX_TORTURE_SHIM'
_WATCH, _KILL, _KILL_ONE, _TORN, _ERROR_ONCE, _ERROR_ON = range(6)


@dataclass(frozen=True)
class Fault:
    """What happens at the chosen event, and for an error whether at all later ones too."""

    name: str
    kind: int
    error: int = 0

    @property
    def kills(self) -> bool:
        """Whether the program, or one process of it, dies of it."""
        return self.kind in (_KILL, _KILL_ONE, _TORN)


WATCH = Fault('watch', _WATCH)
KILL, TORN = Fault('kill', _KILL), Fault('torn write', _TORN)
"""TORN is after the event, where that is no write."""
KILL_ONE = Fault('kill of one process', _KILL_ONE)
FAULTS = (
    KILL,
    TORN,
    Fault('disk full from then on', _ERROR_ON, errno.ENOSPC),
    Fault('one I/O error', _ERROR_ONCE, errno.EIO),
    KILL_ONE,
    Fault('read-only from then on', _ERROR_ON, errno.EROFS),
    Fault('one refusal', _ERROR_ONCE, errno.EACCES),
)


def compiler() -> str | None:
    """The C compiler, or None."""
    return shutil.which('cc') or shutil.which('gcc') or shutil.which('clang')


def build(folder: Path) -> Path:
    """Compiles the library into the folder; raises CalledProcessError where that fails."""
    library = folder / 'shim.so'
    source = Path(__file__).with_name('shim.c')
    found = compiler()
    assert found is not None
    flags = ['-O2', '-shared', '-fPIC', '-o', str(library), str(source), '-ldl']
    subprocess.run([found, *flags], check=True)
    return library


class Shim:
    """The library, in the process that it was loaded into by LD_PRELOAD."""

    def __init__(self) -> None:
        self._c = ctypes.CDLL(os.environ[VARIABLE])
        self._c.torture_count.restype = ctypes.c_long
        self._c.torture_event.restype = ctypes.c_char_p
        self._c.torture_event.argtypes = [ctypes.c_long]
        text, whole = ctypes.c_char_p, ctypes.c_int
        self._c.torture_arm.argtypes = [text, whole, ctypes.c_long, whole, text]

    def arm(self, folder: Path, fault: Fault, number: int, *, event: str = '') -> None:
        """From now on counts events below the folder in child processes; disturbs that one.

        With `event`, the one that reads so, whatever its number.
        """
        path, text = os.fsencode(folder), os.fsencode(event)
        self._c.torture_arm(path, fault.kind, number, fault.error, text)

    def disarm(self) -> None:
        """Counts and disturbs nothing any more."""
        self._c.torture_disarm()

    def events(self) -> list[str]:
        """What was counted, such as 'write cells/.../result.json'."""
        count = min(int(self._c.torture_count()), 4096)
        return [os.fsdecode(self._c.torture_event(number)) for number in range(count)]

    def fired(self) -> bool:
        """Whether the chosen event was reached."""
        return bool(self._c.torture_fired())
