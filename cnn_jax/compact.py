"""A study without checkpoints and predictions: what tables and figures need, in three files.

- `study.json`, sealed: the title, which cells have finished and, for each comparison, its config,
  classes, the fingerprint of its data and which cell is which.
- `cells.jsonl`: a line for each finished cell, sealed: the hash of its config, its measures, its
  learning curve, and which environment it ran in.
- `environments.json`: the environments by hash.

They are small enough to be committed, and the same cells give the same bytes. A kill between two
writes may leave lines and environments that `study.json` does not count: a reader passes over them.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_jax.checksums import read_result, read_sealed, sealed, unsealed, write_sealed
from cnn_jax.errors import BadInput, Damaged, is_number, require
from cnn_jax.files import json_bytes, parse_json, read_json, write_atomically

TUNING_SEED = 1_000_000
"""Of the runs that choose learning rates: no comparison may use it."""
STUDY, CELLS, ENVIRONMENTS = 'study.json', 'cells.jsonl', 'environments.json'
_FINISHED = 'finished'  # in study.json: the cells that have a line; earlier versions lack it
_OF_THE_MOMENT = ('date', 'command')  # of an environment: they tell nothing of the numbers
_CURVE = ('epoch', 'step', 'train_loss', 'train_accuracy', 'split', 'loss', 'accuracy')


@dataclass(frozen=True)
class Compact:
    """What the three files hold.

    Attributes:
        title: The study's headline.
        comparisons: Name -> what a comparison's index holds.
        cells: Hash of a cell's config -> its line.
        environments: Hash -> environment.
    """

    title: str
    comparisons: Mapping[str, Mapping[str, Any]]
    cells: Mapping[str, Mapping[str, Any]]
    environments: Mapping[str, Mapping[str, Any]]


def is_study(folder: Path) -> bool:
    """Whether the folder holds the compact form of a study.

    >>> is_study(Path('no_such_folder'))
    False
    """
    return (folder / STUDY).is_file()


def write_compact(title: str, folder: Path) -> None:
    """Writes the three files beside the cells of a study's folder, from what is finished there."""
    comparisons, cells, environments = {}, {}, {}
    for index in sorted((folder / 'comparisons').glob('*/comparison.json')):
        content = read_sealed(index)
        content['cells'] = [
            {'strategy': c['strategy'], 'seed': c['seed'], 'cell': Path(c['folder']).name}
            for c in content['cells']
        ]
        content.pop('version', None)
        comparisons[index.parent.name] = content
        for entry in content['cells']:
            found = _finished(folder / 'cells' / entry['cell'])
            if found is not None:
                line, environment = found
                environments[line['environment']] = environment
                cells[entry['cell']] = line
    save_compact(folder, Compact(title, comparisons, cells, environments))


def _finished(cell: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The cell's line and its environment; None where it is not finished."""
    if not (cell / 'result.json').is_file():
        return None
    result = read_result(cell)
    if result is None or result.get('status') not in ('completed', 'diverged'):
        return None
    environment = {
        key: value
        for key, value in read_json(cell / 'environment.json').items()
        if key not in _OF_THE_MOMENT
    }
    result = {key: value for key, value in result.items() if key != 'version'}
    curve = [
        {key: row[key] for key in _CURVE if key in row} for row in _rows(cell / 'metrics.jsonl')
    ]
    line = {
        'cell': cell.name,
        'result': result,
        'curve': curve,
        'environment': environment_hash(environment),
    }
    return line, environment


def _rows(log: Path) -> list[dict[str, Any]]:
    lines = log.read_text(encoding='utf-8').splitlines() if log.is_file() else []
    return [parse_json(line, str(log)) for line in lines]


def save_compact(folder: Path, compact: Compact) -> None:
    """Writes the three files, so that a kill between two writes leaves the old form or the new.

    What is new is written before the `study.json` that counts it; what is dropped goes after.
    """
    try:
        old = read_compact(folder)
    except BadInput:  # none, or one that cannot be used anyhow
        old = Compact('', {}, {}, {})
    _save_environments(folder, {**old.environments, **compact.environments})
    _save_cells(folder, {**old.cells, **compact.cells})
    comparisons = {name: compact.comparisons[name] for name in sorted(compact.comparisons)}
    study = {'title': compact.title, _FINISHED: sorted(compact.cells), 'comparisons': comparisons}
    write_sealed(folder / STUDY, study)
    if old.cells.keys() - compact.cells.keys():
        _save_cells(folder, compact.cells)
    if old.environments.keys() - compact.environments.keys():
        _save_environments(folder, compact.environments)


def _save_environments(folder: Path, environments: Mapping[str, Mapping[str, Any]]) -> None:
    content = {name: environments[name] for name in sorted(environments)}
    write_atomically(folder / ENVIRONMENTS, json_bytes(content))


def _save_cells(folder: Path, cells: Mapping[str, Mapping[str, Any]]) -> None:
    lines = [json.dumps(sealed(cells[name]), sort_keys=True) for name in sorted(cells)]
    write_atomically(folder / CELLS, ''.join(f'{line}\n' for line in lines).encode())


def read_compact(folder: Path) -> Compact:
    """What the three files of a study hold; BadInput, naming the file, where one cannot be used.

    Cells and environments that `study.json` does not count are left out.
    """
    study = _read_study(folder)
    found: dict[str, Mapping[str, Any]] = {}
    for where, row in _lines(folder):
        row = unsealed(row, where)
        if not {'cell', 'result', 'curve', 'environment'} <= row.keys():
            raise Damaged(f'{where} is damaged: a field is missing.')
        result = row['result']
        needed = ('accuracy', 'consistency') if _completed(result) else ()
        if not isinstance(result, dict) or not all(is_number(result.get(k)) for k in needed):
            raise Damaged(f'{where} is damaged: its result lacks figures.')
        if row['cell'] in found:
            raise Damaged(f'{where} is damaged: cell {row["cell"]} has a line above it already.')
        found[row['cell']] = row
    counted = study.get(_FINISHED, sorted(found))
    lost = [name for name in counted if name not in found]
    if lost:
        raise Damaged(
            f'{folder / CELLS} is damaged: it lacks {len(lost)} of the {len(counted)} cells that '
            f'{STUDY} counts, the first of them {lost[0]}. Put the whole file back, or run the '
            f'study again where its folder holds the cells themselves.'
        )
    cells = {name: found[name] for name in counted}
    environments = read_json(folder / ENVIRONMENTS)
    for name, environment in environments.items():
        if not isinstance(environment, dict) or environment_hash(environment) != name:
            raise Damaged(
                f'{folder / ENVIRONMENTS} is damaged: {name} is not the hash of what it names.'
            )
    for name, row in cells.items():
        if row['environment'] not in environments:
            raise Damaged(f'{folder / ENVIRONMENTS} lacks the environment of cell {name}.')
    used = {row['environment'] for row in cells.values()}
    environments = {name: environments[name] for name in environments if name in used}
    return Compact(str(study.get('title', '')), study['comparisons'], cells, environments)


def cells_counted(folder: Path) -> list[str]:
    """The names of the cells that a study's compact form counts as finished.

    Less of it need be whole than for `read_compact`: `study.json`, and in the form of earlier
    versions, which has no names there, `cells.jsonl`, whatever its digests. Damaged otherwise.
    """
    counted = _read_study(folder).get(_FINISHED)
    if counted is not None:
        return counted
    return [str(row.get('cell')) for _, row in _lines(folder)]


def _read_study(folder: Path) -> dict[str, Any]:
    require(
        (folder / STUDY).is_file(),
        f'no {STUDY} in {folder}: give the output folder of a study.',
    )
    study = read_sealed(folder / STUDY)
    if not isinstance(study.get('comparisons'), dict):
        raise Damaged(f"{folder / STUDY} is damaged: it lacks 'comparisons'.")
    return study


def _lines(folder: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The lines of the cells as they are, each with its place in words."""
    try:
        text = (folder / CELLS).read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(f'{folder / CELLS} cannot be read ({error}).') from None
    for number, line in enumerate(text.splitlines(), start=1):
        where = f'{folder / CELLS}, line {number},'
        yield where, parse_json(line, where)


def _completed(result: Any) -> bool:
    return isinstance(result, dict) and result.get('status') == 'completed'


def environment_hash(environment: Mapping) -> str:
    """What `environments.json` and the cells call an environment.

    >>> environment_hash({'python': '3.13'})
    '8ae6fed37fc7'
    """
    text = json.dumps(environment, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
