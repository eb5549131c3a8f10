"""The exceptions, above all the one for input that cannot work."""

import difflib
import math
import re
from collections.abc import Iterable
from typing import TypeGuard


class BadInput(ValueError):
    """Bad input; the message says what was given, what is allowed and what to do.

    Experiments print the message (at most two lines) and exit with code 2.
    """


class WrongBackend(BadInput):
    """JAX computes wrong numbers on this device: see `cnn_jax.check_backend`."""


class Damaged(BadInput):
    """A file of a run is missing, unreadable or not as it was written; the message names it."""


class Interrupted(Exception):
    """The run was asked to stop, or lost a worker; finished work is saved."""


class InUse(Exception):
    """Another process holds the folder; the message names both. Later the same call may succeed."""


class CellsFailed(Exception):
    """Some cells of a comparison raised an error, recorded in their folders; the rest are done."""


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> BadInput:
    """The error for a name that is not among `allowed`, suggesting the nearest name.

    Case, separators and a final "pool" do not count, since other libraries differ in them.

    >>> str(unknown_name('optimizer', 'adm', ['adam', 'sgd']))
    "unknown optimizer 'adm': did you mean 'adam'? Allowed: adam, sgd."
    >>> str(unknown_name('strategy', 'MaxPool2d', ['max', 'max_blur'])).split(' Allowed')[0]
    "unknown strategy 'MaxPool2d': did you mean 'max'?"
    """
    names = sorted(allowed)
    plain = {_plain(name): name for name in reversed(names)}
    near = difflib.get_close_matches(_plain(given), list(plain), n=1, cutoff=0.4)
    hint = f' did you mean {plain[near[0]]!r}?' if near else ''
    return BadInput(f'unknown {kind} {given!r}:{hint} Allowed: {", ".join(names)}.')


def _plain(name: str) -> str:
    letters = re.sub(r'[^a-z0-9]', '', name.lower())
    return re.sub(r'pool(ing)?([123]d)?$', '', letters) or letters


def one_line(error: BaseException, *, at_most: int = 500) -> str:
    """An exception's type and message, as one line of at most `at_most` characters.

    >>> one_line(ValueError('a\\n  b')), one_line(GeneratorExit())
    ('ValueError: a b', 'GeneratorExit')
    """
    try:
        said = ' '.join(str(error).split())
    except Exception:  # a config may define exceptions that cannot be printed
        said = 'it cannot be printed'
    whole = f'{type(error).__name__}: {said}' if said else type(error).__name__
    return whole if len(whole) <= at_most else f'{whole[:at_most]} ...'


def disk_error(error: OSError) -> BadInput:
    """An operating-system error in one line; nothing that was on the disk is lost.

    >>> import errno
    >>> str(disk_error(OSError(errno.ENOSPC, 'No space left on device', 'runs/a')))
    'No space left on device: runs/a. What was there is kept: mend this and run again.'
    """
    reason = error.strerror or one_line(error)
    where = f': {error.filename}' if error.filename else ''
    return BadInput(f'{reason}{where}. What was there is kept: mend this and run again.')


def is_number(value: object) -> TypeGuard[float]:
    """Whether `value` is a finite int or float; True and False are not numbers.

    An int too large for a float is not finite.

    >>> is_number(1), is_number(0.5), is_number(True), is_number(float('nan')), is_number(10**400)
    (True, True, False, False, False)
    """
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def require(condition: bool, message: str) -> None:
    """Raises `BadInput(message)` unless `condition` holds."""
    if not condition:
        raise BadInput(message)


def require_int(name: str, value: object, least: int) -> None:
    """Raises BadInput unless `value` is an int (not a bool) of at least `least`."""
    require(
        isinstance(value, int) and not isinstance(value, bool) and value >= least,
        f'{name} must be an int of at least {least}; got {value!r}.',
    )
