"""Adds seeds until every comparison is decided, with interim looks planned in advance."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from cnn_jax.errors import require
from cnn_jax.runs.config import Comparison
from cnn_jax.runs.progress import Progress

FIRST_LOOK, STEP, MOST_SEEDS = 5, 3, 20


def planned_looks(first: int, step: int, most: int) -> tuple[int, ...]:
    """The numbers of seeds after which to look: `first`, then `step` more each, finally `most`.

    >>> planned_looks(5, 3, 16)
    (5, 8, 11, 14, 16)
    """
    looks = list(range(first, most, step)) if first < most else []
    return (*looks, most)


def with_looks(comparison: Comparison, looks: tuple[int, ...]) -> Comparison:
    """The comparison with these looks and as many seeds as the last of them needs.

    The config's seeds come first, then the smallest other numbers.

    >>> from cnn_jax.strategies import Max
    >>> with_looks(Comparison(strategies={'max': Max()}, seeds=(7, 1)), (3, 4)).seeds
    (7, 1, 0, 2)
    """
    most = looks[-1]
    new = (seed for seed in range(most + len(comparison.seeds)) if seed not in comparison.seeds)
    seeds = (*comparison.seeds, *new)[:most]
    return replace(comparison, seeds=seeds, looks=looks)


def run_until_decided(
    planned: Comparison,
    run: Callable[[Comparison], Any],
    undecided: Callable[[], int],
    progress: Progress,
    *,
    begun: int = 0,
    minutes: float | None = None,
) -> None:
    """Runs `planned` look by look: `run` the first seeds, then ask how many are `undecided`.

    Looks before that of the `begun` seeds were taken by an earlier call.

    Ends when none is undecided, when all seeds have run, or when the next look would exceed
    `minutes` at the speed so far.
    """
    require(len(planned.looks) > 0, 'looks must be planned: see with_looks.')
    start = time.monotonic()
    for number, look in enumerate(planned.looks):
        if look < begun:
            continue
        run(replace(planned, seeds=planned.seeds[:look]))
        left = undecided()
        spent = (time.monotonic() - start) / 60
        following = planned.looks[number + 1 : number + 2]
        progress.line(f'look {number + 1} after {look} seeds: {left} undecided, {spent:.1f} min')
        if not left or not following:
            return
        more = spent * (following[0] - look) / max(look - begun, 1)
        if minutes is not None and spent + more > minutes:
            progress.line(
                f'{following[0]} seeds would take about {more:.0f} min more, beyond --minutes '
                f'{minutes:g}: run the same command again to go on'
            )
            return
