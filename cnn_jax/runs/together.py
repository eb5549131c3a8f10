"""Seeds of one strategy trained by one program: small nets alone leave an accelerator idle."""

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from cnn_jax.data import Dataset
from cnn_jax.errors import require
from cnn_jax.runs.begin import Run, begun
from cnn_jax.runs.cell import ORPHAN_SECONDS
from cnn_jax.runs.config import Cell, CellKey
from cnn_jax.runs.epochs import train
from cnn_jax.runs.finished import finished_result
from cnn_jax.runs.folder import locked
from cnn_jax.runs.process import has_accelerator, visible_gpus
from cnn_jax.runs.setup import last_step
from cnn_jax.runs.values import config_hash

SEEDS = 16  # of one program on an accelerator, unless the user says how many


def seeds_together(cells: int = SEEDS) -> int:
    """How many seeds one program trains where the user does not say: one on a CPU, where it loses.

    With several GPUs few enough that each of them gets some of the cells.

    >>> seeds_together() >= 1
    True
    """
    if not has_accelerator():
        return 1
    return min(SEEDS, math.ceil(cells / max(1, len(visible_gpus()))))


def check_together(together: int | None) -> None:
    """Raises BadInput unless it is None or a number of seeds."""
    require(
        together is None or together >= 1,
        f'the number of seeds trained together must be at least 1; got {together}.',
    )


def groups(cells: Mapping[CellKey, Cell], most: int) -> list[list[CellKey]]:
    """The cells in groups of at most `most` that differ in their seed alone, in the order given.

    Those that hold out a validation split train on other images for each seed, so each stays alone.

    >>> from cnn_jax.runs.config import Comparison, cells_of
    >>> from cnn_jax.strategies import Avg, Max
    >>> comparison = Comparison(strategies={'max': Max(), 'avg': Avg()}, seeds=(0, 1, 2))
    >>> groups(cells_of(comparison), 2)[:2]
    [[('max', 0), ('max', 1)], [('avg', 0), ('avg', 1)]]
    """
    found: list[list[CellKey]] = []
    newest: dict[str, list[CellKey]] = {}
    for key, cell in cells.items():
        alone = most == 1 or cell.validation_fraction > 0
        kind = config_hash(cell if alone else replace(cell, seed=0))
        if kind not in newest or len(newest[kind]) == most:
            newest[kind] = []
            found.append(newest[kind])
        newest[kind].append(key)
    return found


def train_together(
    cells: Sequence[tuple[Cell, Path]],
    dataset: Dataset,
    *,
    trust_backend: bool = False,
    stop: Callable[[], bool] = lambda: False,
    tick: Callable[[int, int], None] = lambda index, steps: None,
    log: Callable[[str], None] = lambda line: None,
) -> None:
    """Trains one of `groups`, each cell in its folder, up to the checkpoint of its last step.

    `run_cell` finds that checkpoint and has only to judge the cell: so log, resume and results are
    those of a cell that trains alone, up to rounding, which depends on how many train together. A
    cell that diverges, or stands at a step where no other one does, is left to `run_cell`.
    `tick(index, steps)` reports the progress of each cell.
    """
    with ExitStack() as held:
        for _, folder in cells:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder, wait_seconds=ORPHAN_SECONDS, log=log))
        last = last_step(cells[0][0], dataset)
        left = {
            index: cell
            for index, (cell, folder) in enumerate(cells)
            if finished_result(folder, last, log=log) is None
        }
        told: dict[int, int] = {}
        while not stop():
            runs = {
                index: begun(cell, cells[index][1], dataset, trust_backend=trust_backend, log=log)
                for index, cell in left.items()
            }
            chosen = _at_one_step(runs, last)
            if not chosen:
                return

            done = 0

            def tick_all(steps: int, chosen: Sequence[int] = chosen) -> None:
                nonlocal done
                done += steps  # from 0 on again where others diverged
                for index in chosen:
                    if done > told.get(index, 0):
                        tick(index, done - told.get(index, 0))
                        told[index] = done

            ends = train([runs[index] for index in chosen], dataset, stop=stop, tick=tick_all)
            for index, (outcome, _) in zip(chosen, ends, strict=True):
                if outcome == 'diverged':
                    del left[index]


def _at_one_step(runs: Mapping[int, Run], last: int) -> list[int]:
    """Two runs or more that stand at the same step before the last; [] where there are none."""
    by_step: dict[int, list[int]] = {}
    for index, run in runs.items():
        by_step.setdefault(int(run.state.step), []).append(index)
    return next((which for step, which in by_step.items() if len(which) > 1 and step != last), [])
