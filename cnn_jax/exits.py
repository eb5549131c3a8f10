"""How an experiment ends: exit codes, and one or two lines on stderr instead of a traceback.

Imports next to nothing, so that it is in place before the slow imports begin.
"""

import contextlib
import signal
import sys
from collections.abc import Iterator

from cnn_jax.errors import BadInput, Interrupted

BAD_INPUT, TRY_AGAIN = 2, 75


@contextlib.contextmanager
def exit_codes() -> Iterator[None]:
    """Ends the program with 2 for bad input and 75 for an interruption: "run it again".

    SIGTERM counts as Ctrl-C. Other exceptions are bugs and keep their traceback.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except BadInput as error:
        _end(f'error: {error}', BAD_INPUT)
    except Interrupted as error:
        _end(f'{error}: run the same command again to go on.', TRY_AGAIN)
    except KeyboardInterrupt:
        _end('stopped: run the same command again to go on.', TRY_AGAIN)
    except OSError as error:
        if error.filename is None and error.errno is None:
            raise
        reason = error.strerror or str(error)
        where = f' at {error.filename}' if error.filename else ''
        _end(f'error: {reason}{where}. What was there is kept: mend it, run again.', BAD_INPUT)


def _end(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
