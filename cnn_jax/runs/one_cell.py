"""One cell by itself, for schedulers: its result does not depend on who runs it."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, require, unknown_name
from cnn_jax.runs.command_line import without_option
from cnn_jax.runs.comparison import begin, make_ready
from cnn_jax.runs.config import CellKey, Comparison, cells_of
from cnn_jax.runs.folder import locked
from cnn_jax.runs.parallel import run_cells
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.setup import last_step

_WAIT = 120.0  # seconds for the index, which many cells that start at once write in turn


def cell_named(text: str, comparison: Comparison) -> CellKey:
    """The cell that 'STRATEGY:SEED' names; BadInput where the comparison has none of that name.

    >>> from cnn_jax.strategies import Max
    >>> cell_named('max:3', Comparison(strategies={'max': Max()}, seeds=(3,)))
    ('max', 3)
    """
    strategy, colon, seed = text.rpartition(':')
    require(
        colon != '' and seed.removeprefix('-').isdecimal(),
        f"--cell must be STRATEGY:SEED, such as 'max:0'; got {text!r}.",
    )
    if strategy not in comparison.strategies:
        raise unknown_name('strategy', strategy, comparison.strategies)
    require(
        int(seed) in comparison.seeds,
        f'seed {seed} is none of the comparison: it has {", ".join(map(str, comparison.seeds))}.',
    )
    return strategy, int(seed)


def commands(
    config: str,
    comparison: Comparison,
    folder: Path,
    dataset: Dataset,
    progress: Progress,
    *,
    given: Sequence[str] = (),
    extend: bool = False,
) -> list[str]:
    """Begins a comparison in `folder` and returns a command for each cell that is not finished.

    `config` and `given` are the words of the command line that each repeats, but for those that
    choose how many cells run, and where. Raises BadInput where a command would not be one line.
    """
    kept = without_option(given, '--engine', '--workers', '--together')
    start = ['python', '-m', 'experiments.run_cell', config, '--output', _plain(folder), *kept]
    for word in start:
        require(
            '\n' not in word,
            f'a printed command must be one line; got {word!r}: give a name without line breaks.',
        )
    make_ready(comparison, folder, dataset)
    with locked(folder):
        todo, _ = begin(comparison, folder, dataset, progress, extend=extend, store=folder)
    return [shlex.join([*start, f'--cell={name}:{seed}']) for name, seed in todo]


def report_command(folder: Path) -> str:
    """The command that reports what has finished in `folder`.

    >>> report_command(Path('-my runs'))
    "python -m experiments.report './-my runs'"
    """
    return shlex.join(['python', '-m', 'experiments.report', _plain(folder)])


def _plain(folder: Path) -> str:
    """A folder's name that no program takes for an option."""
    return os.path.join('.', folder) if str(folder).startswith('-') else str(folder)


def run_cell_alone(
    key: CellKey,
    comparison: Comparison,
    folder: Path,
    dataset: Dataset,
    progress: Progress,
    *,
    extend: bool = False,
    trust_backend: bool = False,
) -> str | None:
    """Runs one cell of a comparison, in a process of its own; None, or why it failed.

    Others may run in the same folder at the same time, on this machine or another one: each cell
    has a lock, and the index is written under the folder's. Raises what `run_comparison` raises,
    and InUse where another process runs this very cell.
    """
    cell = cells_of(comparison)[key]
    make_ready(comparison, folder, dataset)
    with locked(folder, wait_seconds=_WAIT, log=progress.line):
        todo, folders = begin(
            comparison,
            folder,
            dataset,
            progress,
            extend=extend,
            store=folder,
            only=lambda other: other is cell or other == cell,
        )
    if key not in todo:
        return None
    with progress.running(total_steps=last_step(cell, dataset), cells=1):
        results = run_cells(
            {key: cell},
            {key: folders[key]},
            dataset,
            progress.events(),
            workers=1,
            trust_backend=trust_backend,
        )
    if key not in results:
        raise BadInput(f'{key[0]}, seed {key[1]} gave no result: run the same command again.')
    result = results[key]
    return result['message'] if result['status'] == 'failed' else None
