"""Runs a comparison in its folder: checks first, then the cells that are not finished."""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cnn_jax.brought import BROUGHT, holds_brought, without_places
from cnn_jax.checksums import read_sealed, write_sealed
from cnn_jax.data import Dataset
from cnn_jax.errors import BadInput, CellsFailed, Damaged, one_line, require
from cnn_jax.files import make_folder, read_json, remove_leftovers
from cnn_jax.runs.begin import CONFIG
from cnn_jax.runs.config import Cell, CellKey, Comparison, cells_of
from cnn_jax.runs.finished import failure, finished_result
from cnn_jax.runs.folder import locked
from cnn_jax.runs.journal import ENVIRONMENT
from cnn_jax.runs.parallel import run_cells, worker_count
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.setup import check_cell, last_step
from cnn_jax.runs.together import check_together, seeds_together
from cnn_jax.runs.values import (
    cell_from_dict,
    comparison_from_dict,
    config_difference,
    config_hash,
    config_to_dict,
    hash_of_values,
)
from cnn_jax.strategies import Max
from cnn_jax.version import package_version

INDEX = 'comparison.json'
_MAY_GROW = ('seeds', 'strategies', 'learning_rates')
_OF_THE_REPORT = ('title', 'baseline', 'same_within', 'looks')  # fields on which no cell depends


def run_comparison(
    comparison: Comparison,
    folder: Path,
    dataset: Dataset,
    progress: Progress | None = None,
    *,
    workers: int | None = None,
    together: int | None = None,
    extend: bool = False,
    trust_backend: bool = False,
    store: Path | None = None,
    only: Callable[[Cell], bool] = lambda cell: True,
) -> dict[CellKey, str]:
    """Runs every cell of the comparison that is not finished in `folder`.

    Returns the cells that raised an error, with the error in one line: their folders record it, and
    the next call tries them again. Raises BadInput, before anything is written, where a cell cannot
    run or the folder cannot be used: not writable, of different data, or holding another comparison
    (`extend` allows more seeds and strategies) or a damaged result that cannot be recomputed.
    Raises InUse where another process uses the folder or one of the cells, and Interrupted when
    asked to stop. With `trust_backend` it continues even where
    `cnn_jax.backend.check_backend` finds wrong numbers. The cells are kept in `store`, by default
    the same folder; `only` selects the cells to run. `together` seeds of a strategy are trained by
    one program: see `cnn_jax.runs.together`.
    """
    check_together(together)
    progress, store = progress or Progress(), store or folder
    make_ready(comparison, folder, dataset)
    with locked(folder):
        for place in (folder, *folder.glob('*/')):  # those of cells go when their lock is held
            remove_leftovers(place)
        todo, folders = begin(
            comparison, folder, dataset, progress, extend=extend, store=store, only=only
        )
        if not todo:
            return {}
        steps = sum(last_step(cell, dataset) for cell in todo.values())
        with progress.running(total_steps=steps, cells=len(todo)):
            results = run_cells(
                todo,
                folders,
                dataset,
                progress.events(),
                workers=workers or worker_count(todo),
                together=together or seeds_together(len(todo)),
                trust_backend=trust_backend,
            )
    return {key: r['message'] for key, r in results.items() if r['status'] == 'failed'}


def make_ready(comparison: Comparison, folder: Path, dataset: Dataset) -> None:
    """Checks every cell, then creates the folder."""
    for key, cell in cells_of(comparison).items():
        _check(key, cell, dataset, raise_all=False)
    make_folder(folder)


def begin(
    comparison: Comparison,
    folder: Path,
    dataset: Dataset,
    progress: Progress,
    *,
    extend: bool,
    store: Path,
    only: Callable[[Cell], bool] = lambda cell: True,
) -> tuple[dict[CellKey, Cell], dict[CellKey, Path]]:
    """Writes the index; returns the cells that are to be run, and the folder of every cell.

    Raises BadInput as `run_comparison` does. The caller holds the folder's lock.
    """
    cells = cells_of(comparison)
    check_folder(comparison, folder, extend=extend)
    folders = _folders(cells, store)
    _check_data(folder / INDEX, dataset)
    chosen = {key: cell for key, cell in cells.items() if only(cell)}
    todo = {
        key: cell
        for key, cell in chosen.items()
        if _is_open(key, folders[key], last_step(cell, dataset), progress)
    }
    for key in chosen.keys() - todo.keys():
        _check_data(folders[key] / ENVIRONMENT, dataset)
    index = {
        'config': config_to_dict(comparison),
        'class_names': list(dataset.class_names),
        'data_fingerprint': dataset.fingerprint,
        'cells': [
            {'strategy': name, 'seed': seed, 'folder': os.path.relpath(path, folder)}
            for (name, seed), path in folders.items()
        ],
    }
    write_sealed(folder / INDEX, index)
    return todo, folders


def check_cells(comparison: Comparison, dataset: Dataset) -> None:
    """Raises BadInput where a cell of the comparison cannot run on the data."""
    for key, cell in cells_of(comparison).items():
        _check(key, cell, dataset, raise_all=True)


def cells_failed(failed: Mapping[CellKey, str]) -> CellsFailed:
    """The exception that ends a comparison whose report lacks these cells."""
    (name, seed), message = next(iter(failed.items()))
    more = f' (and {len(failed) - 1} more)' if len(failed) > 1 else ''
    return CellsFailed(
        f'failed: {name}, seed {seed}: {message}{more}.\n'
        f'The report is without what failed; each folder holds its error. '
        f'Run the same command again to try it once more.'
    )


def _check(key: CellKey, cell: Cell, dataset: Dataset, *, raise_all: bool) -> None:
    """`check_cell`; where a strategy itself raises an error, its worker will record it later."""
    try:
        check_cell(cell, dataset)
    except BadInput:
        raise
    except Exception as error:
        if raise_all:
            raise BadInput(f'{key[0]} cannot run: {one_line(error)}') from error


def _folders(cells: Mapping[CellKey, Cell], folder: Path) -> dict[CellKey, Path]:
    """Each cell's folder: the one that holds its config, or a new one.

    A folder is named by the hash of its config, with the fields of the version that made it; a
    missing field has its default.
    """
    known: dict[Cell, Path] = {}
    for path in sorted((folder / 'cells').glob(f'*/{CONFIG}')):
        with suppress(BadInput):  # damaged, or of another version: not one of these cells
            values = read_json(path)
            is_own = holds_brought(values)  # which its name alone tells
            if not is_own and hash_of_values(values) == path.parent.name:
                known.setdefault(cell_from_dict(values), path.parent)
    named = {key: folder / 'cells' / config_hash(cell) for key, cell in cells.items()}
    own = {key for key, cell in cells.items() if holds_brought(config_to_dict(cell))}
    return {key: path if key in own else known.get(cells[key], path) for key, path in named.items()}


def _check_data(path: Path, dataset: Dataset) -> None:
    """Raises BadInput where the index, or a finished cell's environment, names different data."""
    if not path.exists():
        return
    require(
        read_json(path).get('data_fingerprint') in (None, dataset.fingerprint),
        f'{path} is of other data: what {dataset.name} holds has changed since. '
        f'Give another --output, or put the old data back.',
    )


def _is_open(key: CellKey, folder: Path, last: int, progress: Progress) -> bool:
    """Whether the cell is to be run; prints why if it has run before."""
    name = f'{key[0]}, seed {key[1]}'
    if finished_result(folder, last, log=lambda line: progress.line(f'{name}: {line}')):
        progress.already_done(key)
        return False
    message = failure(folder)
    if message:
        progress.line(f'{name}: failed before ({message}); tried once more')
    return True


def check_folder(
    comparison: Comparison, folder: Path, *, extend: bool = False, options: str = ''
) -> None:
    """Raises BadInput where the comparison cannot go into the folder; writes nothing.

    `options` are those of the command line, for the command suggested in the error.
    """
    if not folder.exists():
        return
    require(folder.is_dir(), f'the output {folder} is a file, not a folder: give another --output.')
    require(
        os.access(folder, os.W_OK | os.X_OK),
        f'the output folder {folder} is not writable: give another --output.',
    )
    if not (folder / INDEX).exists():
        return
    old, new = _old_config(folder / INDEX), config_to_dict(comparison)
    planned, asked = old['looks'], new['looks']
    require(
        planned == asked,
        f'{folder} was begun with {_looks_in_words(planned)}, and each look spends a share of the '
        f'5% of false claims: go on with the same, or give another --output.',
    )
    old, new = (
        {name: value for name, value in config.items() if name not in _OF_THE_REPORT}
        for config in (old, new)
    )
    changes = config_difference(old, new)
    only_grew = all(change.startswith(tuple(_MAY_GROW)) for change in changes)
    rates = old.get('learning_rates', {})
    lost = [s for s in old['seeds'] if s not in new['seeds']] + [
        name for name, rate in rates.items() if new['learning_rates'].get(name) != rate
    ]
    lost += [
        name
        for name, strategy in old['strategies'].items()
        if _without_source(new['strategies'].get(name)) != _without_source(strategy)
    ]
    if not changes or (extend and only_grew and not lost):
        return
    shown = '; '.join(changes[:6]) + (f'; and {len(changes) - 6} more' if len(changes) > 6 else '')
    command = f'--extend {options}'.strip()
    hint = (
        f', or run what is new and keep the rest: make compare ARGS="{command}"'
        if only_grew and not lost
        else ''
    )
    raise BadInput(
        f'{folder} holds a run with another config: {shown}.\n'
        f'Give another --output{"," if hint else " or"} change the config back{hint}.'
    )


def seeds_begun(folder: Path) -> int:
    """How many seeds the folder's comparison has started with; 0 where there is none.

    >>> seeds_begun(Path('no_such_folder'))
    0
    """
    index = folder / INDEX
    return len(_old_config(index)['seeds']) if index.exists() else 0


def _looks_in_words(looks: Sequence[int]) -> str:
    if not looks:
        return 'one look, at the end'
    return f'--until-decided, looks after {", ".join(map(str, looks))} seeds'


def _without_source(strategy: Mapping | None) -> dict | None:
    """A strategy's values without the hash of its definition: a changed one becomes a new cell."""
    if strategy is None:
        return None
    plain = without_places(strategy)
    return plain | ({BROUGHT: plain[BROUGHT]['name']} if BROUGHT in plain else {})


def _old_config(path: Path) -> dict:
    """The config of a run's index with all fields of this version; missing ones get defaults."""
    try:
        index = read_sealed(path)
        if not isinstance(index.get('config'), dict):
            raise Damaged(f"{path} is damaged: it lacks 'config'.")
    except Damaged as error:
        raise Damaged(
            f'{error} Move it away and run again: finished cells are known by their own configs.'
        ) from None
    defaults = config_to_dict(Comparison(strategies={'max': Max()}))
    if holds_brought(index['config']):  # what it names may have changed since
        return {**defaults, **index['config']}
    try:
        return config_to_dict(comparison_from_dict(index['config']))
    except BadInput as error:
        version = index.get('version', 'an early one')
        raise BadInput(
            f'{path} was written by another version of cnn_jax ({version}; this is '
            f'{package_version()}): {error}. Use that version, or give another --output.'
        ) from None
