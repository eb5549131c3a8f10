"""The outcome of a check, as `check_backend` and `experiments.doctor` tell it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: What, in a few words.
        ok: Whether all is well.
        message: What was found; where all is not well, also what to do.
    """

    name: str
    ok: bool
    message: str
