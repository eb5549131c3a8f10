"""A comparison's folder as values: which cells finished, and what they measured."""

import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Integer, UInt8

from cnn_jax.errors import BadInput, require

Status = Literal['completed', 'diverged', 'missing']


@dataclass(frozen=True)
class Cell:
    """One strategy trained with one seed.

    `missing` means not finished: no `result.json`. What a cell has not written is empty.
    """

    strategy: str
    seed: int
    folder: Path
    status: Status
    result: Mapping[str, Any]
    environment: Mapping[str, Any]
    epochs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class Run:
    """A comparison: its resolved config and all its cells, in the order of `comparison.json`."""

    folder: Path
    config: Mapping[str, Any]
    class_names: tuple[str, ...]
    cells: tuple[Cell, ...]

    @property
    def title(self) -> str:
        """The config's title, or the question of its model and data, or the folder's name."""
        title, model, data = (self.config.get(key) for key in ('title', 'model', 'data'))
        question = f'Which pooling for {model} on {data}?' if model and data else ''
        return str(title or question or self.folder.resolve().name)

    @property
    def baseline(self) -> str:
        """The strategy that the others are compared with, or '' where the config names none."""
        return str(self.config.get('baseline') or '')

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names of the strategies, in the order of their first cell."""
        return tuple(dict.fromkeys(cell.strategy for cell in self.cells))

    @property
    def split(self) -> str:
        """The split that was evaluated after each epoch; results are always of the test split."""
        for cell in self.cells:
            if cell.epochs and cell.epochs[-1].get('split'):
                return str(cell.epochs[-1]['split'])
        return 'test'

    def select(self, strategy: str, status: Status) -> tuple[Cell, ...]:
        """The strategy's cells that have this status."""
        return tuple(c for c in self.cells if c.strategy == strategy and c.status == status)


@dataclass(frozen=True)
class ShiftMaps:
    """The probability of the true class over shifts, for a few images; [m, m] is unmoved."""

    maps: Float[np.ndarray, 'images shifts shifts']
    images: UInt8[np.ndarray, 'images height width channels']
    labels: Integer[np.ndarray, ' images']


def read_run(folder: Path) -> Run:
    """Reads a comparison's folder: `comparison.json` and the folders of its cells.

    Raises `BadInput`, naming the file, where a file is cut off, is not JSON or lacks what a
    finished cell must have, and where the folder holds no comparison.

    >>> read_run(Path('no_such_folder'))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
    """
    path = folder / 'comparison.json'
    require(
        path.is_file(),
        f'no comparison.json in {folder}: give the output folder of a comparison.',
    )
    content = _read_json(path)
    config, entries = content.get('config'), content.get('cells')
    names = content.get('class_names') or []
    if not isinstance(config, dict) or not isinstance(entries, list) or not isinstance(names, list):
        raise BadInput(f"{path} must hold 'config' and 'cells': run the comparison again.")
    run = Run(
        folder=folder,
        config=config,
        class_names=tuple(str(name) for name in names),
        cells=tuple(_read_cell(folder, entry, path) for entry in entries),
    )
    without = [name for name in config.get('strategies') or {} if name not in run.strategies]
    require(not without, f'{path} lists no cell for {", ".join(without)}: run it again.')
    return run


def read_shift_maps(cell: Cell) -> ShiftMaps | None:
    """The shift maps that a finished cell kept in `predictions.npz`; None where it kept none.

    Raises `BadInput` where the file is damaged or its arrays do not fit together.

    >>> read_shift_maps(Cell('max', 0, Path('no_such_folder'), 'missing', {}, {}, ()))
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
        raise BadInput(f'{path} cannot be read ({error}): {_AGAIN}') from error
    whole = maps.ndim == 3 and images.ndim == 4 and labels.ndim == 1
    whole = whole and len(maps) == len(images) == len(labels)
    whole = whole and maps.shape[1] == maps.shape[2] and maps.shape[1] % 2 == 1
    require(
        whole and images.dtype == np.uint8 and maps.dtype.kind == 'f' and labels.dtype.kind in 'iu',
        f'{path} holds shift maps {maps.shape} for images {images.shape}: {_AGAIN}',
    )
    return ShiftMaps(maps, images, labels) if len(maps) else None


_AGAIN = 'delete the folder of this cell and run the comparison again.'


def _read_cell(folder: Path, entry: object, source: Path) -> Cell:
    if not isinstance(entry, dict) or not {'strategy', 'seed', 'folder'} <= entry.keys():
        raise BadInput(f"{source}: every cell must have 'strategy', 'seed' and 'folder'.")
    cell = folder / str(entry['folder'])
    strategy, seed, result_path = str(entry['strategy']), entry['seed'], cell / 'result.json'
    if type(seed) is not int:
        raise BadInput(f'{source}: the seed of a cell must be an integer, not {seed!r}.')
    if not result_path.is_file():
        return Cell(strategy, seed, cell, 'missing', {}, {}, ())
    result = _read_json(result_path)
    status = result.get('status')
    if status not in ('completed', 'diverged'):
        raise BadInput(f"{result_path}: status must be 'completed' or 'diverged', not {status!r}.")
    if status == 'completed':
        for key in ('accuracy', 'consistency'):
            require(
                isinstance(result.get(key), float | int),
                f'{result_path}: {key} is {result.get(key)!r}, not a number: {_AGAIN}',
            )
    environment, metrics = cell / 'environment.json', cell / 'metrics.jsonl'
    return Cell(
        strategy=strategy,
        seed=seed,
        folder=cell,
        status=status,
        result=result,
        environment=_read_json(environment) if environment.is_file() else {},
        epochs=_read_rows(metrics) if metrics.is_file() else (),
    )


def _finite(text: str) -> float | None:
    number = float(text)
    return number if math.isfinite(number) else None


def _parse(path: Path, text: str, where: str = '') -> dict[str, Any]:
    """One JSON object; NaN and infinity, which JSON does not have, are read as None."""
    try:
        content = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except ValueError as error:
        raise BadInput(f'{path}{where} is not whole JSON ({error}): {_AGAIN}') from error
    if not isinstance(content, dict):
        raise BadInput(f'{path}{where} must hold a JSON object: {_AGAIN}')
    return content


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f'{path} cannot be read ({error}): {_AGAIN}') from error


def _read_json(path: Path) -> dict[str, Any]:
    return _parse(path, _text(path))


def _read_rows(path: Path) -> tuple[dict[str, Any], ...]:
    lines = enumerate(_text(path).split('\n'), start=1)
    return tuple(_parse(path, line, f', line {n},') for n, line in lines if line.strip())
