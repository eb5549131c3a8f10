"""A comparison in its folder: checks first, then runs the cells that are not finished."""

import os
from pathlib import Path

from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, require
from cnn_jax.files import read_json, write_json
from cnn_jax.runs.cell import RESULT
from cnn_jax.runs.config import (
    Cell,
    Comparison,
    cells_of,
    config_difference,
    config_hash,
    config_to_dict,
)
from cnn_jax.runs.folder import locked
from cnn_jax.runs.pool import CellKey, run_cells, worker_count
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.setup import check_cell, training_images

INDEX = 'comparison.json'
_MAY_GROW = ('seeds', 'strategies')


def run_comparison(
    comparison: Comparison,
    folder: Path,
    dataset: Dataset,
    progress: Progress,
    *,
    workers: int | None = None,
    extend: bool = False,
    dry_run: bool = False,
) -> None:
    """Runs every cell of the comparison that is not finished in `folder`.

    Raises BadInput, before anything is written, where a cell cannot run or the folder cannot be
    used: not writable, in use, or holding another comparison (`extend` allows more seeds and
    strategies in it). Raises Interrupted when asked to stop. `dry_run` stops after the checks.
    """
    cells = cells_of(comparison)
    for cell in cells.values():
        check_cell(cell, dataset)
    if dry_run:
        return
    make_folder(folder)
    with locked(folder):
        check_folder(comparison, folder, extend=extend)
        folders = {key: folder / 'cells' / config_hash(cell) for key, cell in cells.items()}
        index = {
            'config': config_to_dict(comparison),
            'class_names': list(dataset.class_names),
            'cells': [
                {'strategy': name, 'seed': seed, 'folder': str(path.relative_to(folder))}
                for (name, seed), path in folders.items()
            ],
        }
        write_json(folder / INDEX, index)
        steps = {key: _steps(cell, dataset) for key, cell in cells.items()}
        todo: dict[CellKey, Cell] = {}
        for key, cell in cells.items():
            if (folders[key] / RESULT).exists():
                progress.already_done(key)
            else:
                todo[key] = cell
        if not todo:
            return
        with progress.running(total_steps=sum(steps[key] for key in todo), cells=len(todo)):
            run_cells(todo, folders, progress.events(), workers=workers or worker_count(todo))


def _steps(cell: Cell, dataset: Dataset) -> int:
    return cell.epochs * (training_images(cell, dataset) // cell.batch_size)


def make_folder(folder: Path) -> None:
    """Creates the output folder; BadInput where that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(
            f'cannot create the output folder {folder}: {error.strerror}. Give another --output.'
        ) from None


def check_folder(comparison: Comparison, folder: Path, *, extend: bool = False) -> None:
    """Raises BadInput where the comparison cannot go into the folder; writes nothing."""
    if not folder.exists():
        return
    require(folder.is_dir(), f'the output {folder} is a file, not a folder: give another --output.')
    require(
        os.access(folder, os.W_OK | os.X_OK),
        f'the output folder {folder} is not writable: give another --output.',
    )
    if not (folder / INDEX).exists():
        return
    old, new = read_json(folder / INDEX).get('config'), config_to_dict(comparison)
    kinds = {'seeds': list, 'strategies': dict}
    if not isinstance(old, dict) or any(not isinstance(old.get(k), v) for k, v in kinds.items()):
        raise BadInput(f'{folder / INDEX} is damaged: give another --output, or remove it.')
    changes = config_difference(old, new)
    grown = [k for k in _MAY_GROW if config_difference({k: old.get(k)}, {k: new[k]})]
    only_grew = all(change.startswith(tuple(_MAY_GROW)) for change in changes)
    lost = [s for s in old['seeds'] if s not in new['seeds']] + [
        name
        for name, strategy in old['strategies'].items()
        if new['strategies'].get(name) != strategy
    ]
    if not changes or (extend and only_grew and not lost):
        return
    shown = '; '.join(changes[:6]) + (f'; and {len(changes) - 6} more' if len(changes) > 6 else '')
    hint = ' or add --extend to run what is new' if grown and only_grew and not lost else ''
    raise BadInput(
        f'{folder} holds a run with another config: {shown}.\n'
        f'Give another --output, change the config back{hint}.'
    )
