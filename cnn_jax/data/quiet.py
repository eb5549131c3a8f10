"""Keeps TFDS' messages off the terminal: we report progress ourselves."""

import contextlib
import io
import logging
import threading
from collections.abc import Iterator

_one_at_a_time = threading.RLock()  # two threads would put back each other's stdout


@contextlib.contextmanager
def quiet_tfds() -> Iterator[None]:
    """Inside, what TFDS prints and its bars are dropped and its log shows errors only.

    TFDS prints to stdout and draws on stderr without a switch that can be set back, so both are
    caught for the whole process; exceptions are untouched, and leaving restores everything.

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
