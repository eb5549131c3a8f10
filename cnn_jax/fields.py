"""Checks a dataclass's fields against their annotations.

`bool` and `Literal` fields are checked directly; numbers state their range:

    stride: Annotated[int, Between(1, 16)] = 2
    window: Annotated[int, Between(1, 64)] | None = None
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin, get_type_hints

from cnn_jax.errors import is_number, require, unknown_name
from cnn_jax.ops.windows import padding_pairs

POSITIVE = math.nextafter(0.0, 1.0)  # a lower bound that means "above 0"


@dataclass(frozen=True)
class Between:
    """The numbers that a field may hold, in an annotation."""

    least: int | float = -math.inf
    most: int | float = math.inf

    def check(self, field: str, value: object, *, whole: bool) -> None:
        """Raises BadInput unless `value` is a finite number from `least` to `most`.

        >>> Between(1, 16).check('Max: stride', 0, whole=True)
        Traceback (most recent call last):
        cnn_jax.errors.BadInput: Max: stride must be an int from 1 to 16; got 0.
        """
        fits = is_number(value) and self.least <= value <= self.most  # pyright: ignore[reportOperatorIssue]
        above = 'above 0' if self.least == POSITIVE else f'from {self.least:g}'
        words = ['an int' if whole else 'a number']
        words += [above] if self.least > -math.inf else []
        words += [f'to {self.most:g}'] if self.most < math.inf else []
        require(
            fits and (not whole or isinstance(value, int)),
            f'{field} must be {" ".join(words)}; got {value!r}.',
        )


class Paddings:
    """Marks a field that holds 'valid', 'same' or pairs, in an annotation."""

    def check(self, field: str, value: object) -> None:
        """Raises BadInput unless `value` is one of these."""
        if value in ('valid', 'same'):
            return
        try:
            padding_pairs(value, (1,) * len(value))  # pyright: ignore[reportArgumentType]
        except (ValueError, TypeError):
            allowed = ('valid', 'same', 'pairs like ((1, 1), (1, 1))')
            raise unknown_name(field, str(value), allowed) from None


def check_fields(item: object) -> None:
    """Raises BadInput, naming the first field of `item` that does not match its annotation.

    Fields of types other than numbers, bools and literals are not checked.

    >>> @dataclass(frozen=True)
    ... class Power:
    ...     p: Annotated[float, Between(POSITIVE)] = 3.0
    >>> check_fields(Power(-1))
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: Power: p must be a number above 0; got -1.
    """
    for name, hint in _hints(type(item)).items():
        if name in vars(item):  # Linen keeps some of its own fields elsewhere
            _check(type(item).__name__, name, vars(item)[name], hint)


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    known = getattr(kind, '__dataclass_fields__', {})
    return {
        name: hint
        for name, hint in hints.items()
        if name in known and get_origin(hint) is not ClassVar
    }


def _check(owner: str, name: str, value: object, hint: Any) -> None:
    if get_origin(hint) is Annotated:
        kind, *marks = get_args(hint)
        for mark in marks:
            if isinstance(mark, Between):
                mark.check(f'{owner}: {name}', value, whole=kind is int)
            elif isinstance(mark, Paddings):
                mark.check(f'{name} of {owner}', value)
    elif hint is bool:
        require(isinstance(value, bool), f'{owner}: {name} must be true or false; got {value!r}.')
    elif get_origin(hint) is Literal and value not in get_args(hint):
        raise unknown_name(f'{name} of {owner}', str(value), map(str, get_args(hint)))
    elif type(None) in get_args(hint) and value is not None:
        rest = [part for part in get_args(hint) if part is not type(None)]
        if len(rest) == 1:
            _check(owner, name, value, rest[0])
