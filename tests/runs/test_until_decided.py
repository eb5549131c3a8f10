"""Looks: which are run, when they end, and that the seeds of the config come first."""

from rich.console import Console

from cnn_jax.runs import Comparison
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.until_decided import planned_looks, run_until_decided, with_looks
from cnn_jax.strategies import Max

PLANNED = with_looks(Comparison(strategies={'max': Max()}, seeds=(9, 4)), planned_looks(2, 2, 7))


def run(undecided: list[int], **options) -> list[tuple[int, ...]]:
    """The seeds of each part that was run, where that many were undecided after each."""
    parts: list[tuple[int, ...]] = []
    left = iter(undecided)
    run_until_decided(
        PLANNED,
        lambda part: parts.append(part.seeds),
        lambda: next(left),
        Progress(Console(quiet=True)),
        **options,
    )
    assert next(left, None) is None
    return parts


def test_seeds_of_the_config_come_first():
    assert PLANNED.looks == (2, 4, 6, 7) and PLANNED.seeds == (9, 4, 0, 1, 2, 3, 5)


def test_it_ends_when_all_is_decided_or_all_seeds_are_run():
    assert run([3, 0]) == [(9, 4), (9, 4, 0, 1)]
    assert run([3, 2, 1, 1])[-1] == PLANNED.seeds


def test_looks_of_an_earlier_call_are_not_run_again():
    assert run([1, 0], begun=6) == [PLANNED.seeds[:6], PLANNED.seeds]


def test_no_look_is_begun_that_would_pass_the_minutes():
    assert run([3], minutes=0.0) == [(9, 4)]
