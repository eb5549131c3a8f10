"""The outcome of a check, as reported by `check_backend` and `experiments.doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What was checked, in a few words.
        ok: Whether it is all right.
        message: What was found and, if it is not all right, what to do.
    """

    name: str
    ok: bool
    message: str
