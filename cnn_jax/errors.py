"""The one exception that means: the person who called us gave something that cannot work."""

import difflib
import math
from collections.abc import Iterable


class BadInput(ValueError):
    """Bad input: the message says what was given, what is allowed and what to do.

    Experiments print the message (at most two lines) and exit with code 2.
    """


class WrongBackend(BadInput):
    """JAX computes wrong numbers on the device at hand: see `cnn_jax.check_backend`."""


class Interrupted(Exception):
    """The run was asked to stop, or lost a worker; what is done is saved."""


def unknown_name(kind: str, given: str, allowed: Iterable[str]) -> BadInput:
    """The error for a name that is not among `allowed`, with the nearest name offered.

    >>> str(unknown_name('optimizer', 'adm', ['adam', 'sgd']))
    "unknown optimizer 'adm': did you mean 'adam'? Allowed: adam, sgd."
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
    hint = f' did you mean {near[0]!r}?' if near else ''
    return BadInput(f'unknown {kind} {given!r}:{hint} Allowed: {", ".join(names)}.')


def is_number(value: object) -> bool:
    """Whether `value` is a finite int or float; True and False are not numbers.

    >>> is_number(1), is_number(0.5), is_number(True), is_number(float('nan'))
    (True, True, False, False)
    """
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def require(condition: bool, message: str) -> None:
    """Raises `BadInput(message)` unless `condition` holds."""
    if not condition:
        raise BadInput(message)
