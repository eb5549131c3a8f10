"""A comparison's folder as values: which cells finished, and their results."""

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer, UInt8

from cnn_jax.brought import said, without_places
from cnn_jax.checksums import read_result, read_sealed
from cnn_jax.errors import BadInput, Damaged, require
from cnn_jax.files import parse_json, read_json

SAME_WITHIN = 0.005
"""Half a point, for runs that do not specify it."""

Status = Literal['completed', 'diverged', 'failed', 'missing']


@dataclass(frozen=True)
class CellResult:
    """One strategy trained with one seed.

    `missing` means not finished: no `result.json`. `failed` means that it raised an error, which
    `result` holds as 'message'. Fields that a cell has not written are empty. `checked` says
    whether its files were compared with checksums, which cells of the first versions do not have.
    """

    strategy: str
    seed: int
    folder: Path
    status: Status
    result: Mapping[str, Any]
    environment: Mapping[str, Any]
    epochs: tuple[Mapping[str, Any], ...]
    checked: bool = True


@dataclass(frozen=True)
class Run:
    """A comparison: its resolved config and all its cells, in the order of `comparison.json`."""

    folder: Path
    config: Mapping[str, Any]
    class_names: tuple[str, ...]
    cells: tuple[CellResult, ...]

    @property
    def title(self) -> str:
        """The config's title, or a question that names its model and data, or the folder's name."""
        title, model, data = (said(self.config.get(key)) for key in ('title', 'model', 'data'))
        question = f'Which pooling for {model} on {data}?' if model and data else ''
        return str(title or question or self.folder.resolve().name)

    @property
    def baseline(self) -> str:
        """The strategy with which the others are compared, or '' if the config names none."""
        return str(self.config.get('baseline') or '')

    @property
    def task(self) -> str:
        """What the networks were trained for: a key of `cnn_jax.measures.MEASURES`."""
        return str(self.config.get('task', 'classification'))

    @property
    def same_within(self) -> float:
        """Differences below this are called the same."""
        return float(self.config.get('same_within', SAME_WITHIN))

    @property
    def looks(self) -> tuple[int, ...]:
        """The planned numbers of seeds, if seeds are added until everything is decided."""
        return tuple(self.config.get('looks', ()))

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of the strategies, in the order of their first cell."""
        return tuple(dict.fromkeys(cell.strategy for cell in self.cells))

    @property
    def split(self) -> str:
        """The split that was evaluated after each epoch; results are always on the test split."""
        for cell in self.cells:
            if cell.epochs and cell.epochs[-1].get('split'):
                return str(cell.epochs[-1]['split'])
        return 'test'

    def select(self, strategy: str, status: Status) -> tuple[CellResult, ...]:
        """The strategy's cells that have this status."""
        return tuple(c for c in self.cells if c.strategy == strategy and c.status == status)


@dataclass(frozen=True)
class ShiftMaps:
    """The probability of the true class over shifts, for a few images; [m, m] is unshifted."""

    maps: Float[np.ndarray, 'images shifts shifts']
    images: UInt8[np.ndarray, 'images height width channels']
    labels: Integer[np.ndarray, ' images']


def read_run(folder: Path) -> Run:
    """Reads a comparison's folder: `comparison.json` and the folders of its cells.

    Every file is compared with its checksum; only cells of the first versions have none. Raises
    `BadInput`, naming the file, where one is missing, damaged or incomplete for a finished cell,
    where a cell was trained on other data than the index names, and where the folder holds no
    comparison.

    >>> read_run(Path('no_such_folder'))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
    """
    path = folder / 'comparison.json'
    require(
        path.is_file(),
        f'no comparison.json in {folder}: give the output folder of a comparison.',
    )
    try:
        content = read_sealed(path)
    except Damaged as error:
        raise Damaged(f'{error} {_INDEX_AGAIN}') from error
    config, entries = content.get('config'), content.get('cells')
    names = content.get('class_names') or []
    if not isinstance(config, dict) or not isinstance(entries, list) or not isinstance(names, list):
        raise BadInput(f"{path} must hold 'config' and 'cells': run the comparison again.")
    run = Run(
        folder=folder,
        config=config,
        class_names=tuple(str(name) for name in names),
        cells=tuple(_read_cell(folder, entry, path, config) for entry in entries),
    )
    for cell in run.cells:
        _require_data(cell, path, content.get('data_fingerprint'))
    without = [name for name in config.get('strategies') or {} if name not in run.strategies]
    require(not without, f'{path} lists no cell for {", ".join(without)}: {AGAIN}')
    return run


def read_shift_maps(cell: CellResult) -> ShiftMaps | None:
    """The shift maps that a finished cell kept in `predictions.npz`; None where it kept none.

    Raises `BadInput` where the file is damaged or its arrays do not fit together.

    >>> read_shift_maps(CellResult('max', 0, Path('no_such_folder'), 'missing', {}, {}, ()))
    """
    path = cell.folder / 'predictions.npz'
    if cell.status != 'completed' or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if 'shift_maps' not in arrays.files:
                return None
            maps = np.asarray(arrays['shift_maps'])
            images, labels = np.asarray(arrays['shift_images']), np.asarray(arrays['shift_labels'])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise BadInput(f'{path} cannot be read ({error}): {AGAIN}') from error
    whole = maps.ndim == 3 and images.ndim == 4 and labels.ndim == 1
    whole = whole and len(maps) == len(images) == len(labels)
    whole = whole and maps.shape[1] == maps.shape[2] and maps.shape[1] % 2 == 1
    require(
        whole and images.dtype == np.uint8 and maps.dtype.kind == 'f' and labels.dtype.kind in 'iu',
        f'{path} holds shift maps {maps.shape} for images {images.shape}: {AGAIN}',
    )
    return ShiftMaps(maps, images, labels) if len(maps) else None


AGAIN = 'run the comparison again: it makes the cell whole, or says what else to do.'
_INDEX_AGAIN = 'Move it away and run the comparison again: finished cells are kept.'


def _read_cell(folder: Path, entry: object, source: Path, config: Mapping[str, Any]) -> CellResult:
    if not isinstance(entry, dict) or not {'strategy', 'seed', 'folder'} <= entry.keys():
        raise BadInput(f"{source}: every cell must have 'strategy', 'seed' and 'folder'.")
    cell = folder / str(entry['folder'])
    strategy, seed, result_path = str(entry['strategy']), entry['seed'], cell / 'result.json'
    if type(seed) is not int:
        raise BadInput(f'{source}: the seed of a cell must be an integer, not {seed!r}.')
    try:
        result = read_result(cell)
        if result is None:
            return CellResult(strategy, seed, cell, 'missing', {}, {}, ())
        status = result.get('status')
        if status == 'failed':
            return CellResult(strategy, seed, cell, 'failed', result, {}, ())
        if status not in ('completed', 'diverged'):
            raise BadInput(
                f"{result_path}: status must be 'completed', 'diverged' or 'failed', "
                f'not {status!r}: {AGAIN}'
            )
        environment, metrics = cell / 'environment.json', cell / 'metrics.jsonl'
        _require_own(cell / 'config.json', config, strategy, seed)
        return CellResult(
            strategy=strategy,
            seed=seed,
            folder=cell,
            status=status,
            result=_with_figures(result, result_path),
            environment=read_json(environment) if environment.is_file() else {},
            epochs=_read_rows(metrics) if metrics.is_file() else (),
            checked='version' in result,
        )
    except Damaged as error:
        raise Damaged(f'{error} To mend it, {AGAIN}') from error


def _require_data(cell: CellResult, source: Path, expected: object) -> None:
    """BadInput where a finished cell is of other data than the index; first versions named none."""
    found = cell.environment.get('data_fingerprint')
    require(
        None in (found, expected) or found == expected,
        f'{cell.folder} was trained on other data than {source} names: {AGAIN}',
    )


def _with_figures(result: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    for key in ('accuracy', 'consistency') if result['status'] == 'completed' else ():
        require(
            isinstance(result.get(key), float | int),
            f'{path}: {key} is {result.get(key)!r}, not a number: {AGAIN}',
        )
    return result


def _require_own(path: Path, config: Mapping[str, Any], strategy: str, seed: int) -> None:
    """Raises Damaged where a cell's config does not match the comparison."""
    if not path.is_file():  # of the first versions; with checksums it cannot be missing
        return
    strategies = config.get('strategies')
    named = strategies.get(strategy) if isinstance(strategies, dict) else None
    expected = {**config, 'strategy': named, 'seed': seed}
    rate = (config.get('learning_rates') or {}).get(strategy)
    if rate is not None:
        expected['optimizer'] = {**config['optimizer'], 'learning_rate': rate}
    expected = without_places(expected)
    for key, value in without_places(read_json(path)).items():
        if not _agree(value, expected.get(key)):
            raise Damaged(
                f'{path} is of another cell: its {key} is not that of {strategy}, {seed}.'
            )


def _agree(one: Any, other: Any) -> bool:
    """Whether both agree in all fields that both have: versions may differ in their fields."""
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_agree(one[key], other[key]) for key in one.keys() & other.keys())
    return one == other or other is None


def _read_rows(path: Path) -> tuple[dict[str, Any], ...]:
    try:
        lines = path.read_text(encoding='utf-8').split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(f'{path} cannot be read ({error}).') from error
    numbered = enumerate(lines, start=1)
    return tuple(parse_json(line, f'{path}, line {n},') for n, line in numbered if line.strip())
