"""Keeps TFDS' messages off the terminal: we report progress ourselves."""

import contextlib
import io
import logging
import threading
from collections.abc import Iterator

_one_at_a_time = threading.RLock()  # two threads would restore each other's stdout


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Inside it, TFDS prints nothing, draws no progress bars and logs only errors.

    TFDS prints to stdout and draws on stderr without a switch that could be restored, so both are
    captured for the whole process; exceptions are untouched, and leaving restores everything.

    >>> with quiet_tfds():
    ...     print('Downloading and preparing dataset')
    """
    logger = logging.getLogger('absl')
    with _one_at_a_time:
        level = logger.level
        logger.setLevel(logging.ERROR)
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                yield
        finally:
            logger.setLevel(level)
