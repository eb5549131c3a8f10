"""How an experiment ends: exit codes, and one or two lines on stderr instead of a traceback.

0: done. 2: bad input, or not enough disk space or memory; nothing that was there is lost.
3: done except for cells that raised an error: the report covers the others, and the same command
tries those cells again. 75: interrupted, or the folder is in use by another process; the same
command resumes. 1, with a traceback: a bug.

Imports almost nothing, so that it is in place before the slow imports begin.
"""

import contextlib
import io
import re
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from cnn_jax.errors import BadInput, CellsFailed, Interrupted, InUse, disk_error, one_line
from cnn_jax.platforms import no_device
from cnn_jax.xla_flags import set_xla_flags

BAD_INPUT, CELLS_FAILED, TRY_AGAIN = 2, 3, 75
_Options = TypeVar('_Options')


@contextlib.contextmanager
def exit_codes(*, flags: bool = True) -> Iterator[None]:
    """Ends the program with one of the codes above and a message on stderr.

    SIGTERM counts as Ctrl-C. Other exceptions are bugs and keep their traceback. With `flags`,
    XLA's flags are set, also for the processes that the program starts: see `cnn_jax.xla_flags`.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for stream in (sys.stdout, sys.stderr):  # do not fail where the locale lacks a character
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors='backslashreplace')  # pyright: ignore[reportAttributeAccessIssue]
    try:
        if flags:
            set_xla_flags()
        yield
    except BadInput as error:
        _end(f'error: {error}', BAD_INPUT)
    except CellsFailed as error:
        _end(str(error), CELLS_FAILED)
    except Interrupted as error:
        _end(f'{error}: run the same command again to go on.', TRY_AGAIN)
    except InUse as error:
        _end(str(error), TRY_AGAIN)
    except KeyboardInterrupt:
        _end('stopped before the end: run the same command again.', TRY_AGAIN)
    except MemoryError as error:
        _end(f'error: {one_line(error)}. What was there is kept: ask for less.', BAD_INPUT)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        _end(f'error: {disk_error(error)}', BAD_INPUT)
    except (RuntimeError, AssertionError) as error:
        message = no_device(error)
        if message is None:
            raise
        _end(f'error: {message}', BAD_INPUT)


def parse_options(
    options: Callable[..., _Options], arguments: Sequence[str], *, program: str, description: str
) -> _Options:
    """Parses the arguments with `tyro.cli`; raises a one-line BadInput if they are invalid.

    `--help` prints the options and exits.
    """
    import tyro

    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(options, args=list(arguments), prog=program, description=description)
    except SystemExit as end:
        if end.code == BAD_INPUT:
            raise BadInput(_one_line(said.getvalue())) from None
        raise


def _one_line(boxed: str) -> str:
    """tyro's boxed multi-line message as one line."""
    words = ' '.join(
        re.sub(r'[─│╭╮╰╯├┤]+|\[/?bold\]', ' ', line).strip() for line in boxed.splitlines()
    )
    words = re.sub(r'\s+', ' ', words).strip()
    return re.sub(r'^([A-Z][\w ]+?) \1', r'\1', words, flags=re.IGNORECASE)  # a box's title


def _end(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
