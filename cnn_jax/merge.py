"""Studies put together: what several folders hold, in one compact form, whatever their order.

What the folders must agree on and do not is a BadInput that names two of them.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_jax.compact import Compact, is_study, read_compact, save_compact
from cnn_jax.errors import BadInput, require
from cnn_jax.files import make_folder
from cnn_jax.measures import OF_THE_MACHINE

_JOINED = ('seeds', 'strategies', 'learning_rates')  # of a config: the others must be equal


def merge(folders: Sequence[Path], output: Path, *, mixed_code: bool = False) -> Compact:
    """Puts the cells of several studies together and writes the compact form into `output`.

    Comparisons of one name must agree in all but their seeds and strategies, which are joined.
    Where folders trained a strategy by different configs, such as at other learning rates, the one
    that has finished cells of it counts. Raises BadInput, saying which, where two have; where data,
    classes or titles differ; where a cell of one hash has different numbers; and, unless
    `mixed_code`, where cells come from different code.
    """
    require(len(folders) > 0, 'merging needs at least one folder.')
    require(
        not is_study(output) or output.resolve() in [folder.resolve() for folder in folders],
        f'{output} holds a study already: name it among the folders to merge, or give another '
        f'--output.',
    )
    read = {folder: read_compact(folder) for folder in folders}
    title = _agreed('the title of the study', {f: c.title for f, c in read.items()})
    cells = _cells(read)
    names = sorted({name for compact in read.values() for name in compact.comparisons})
    comparisons = {
        name: _joined(
            name,
            [_Part(f, c.comparisons[name]) for f, c in read.items() if name in c.comparisons],
            cells,
        )
        for name in names
    }
    if not mixed_code:
        _require_one_code(read)
    environments = {k: env for compact in read.values() for k, env in compact.environments.items()}
    used = {row['environment'] for row in cells.values()}
    merged = Compact(title, comparisons, cells, {name: environments[name] for name in used})
    make_folder(output)
    save_compact(output, merged)
    return merged


def _agreed(what: str, given: Mapping[Path, Any]) -> Any:
    """The value that all folders give."""
    (first, value), *others = given.items()
    for folder, other in others:
        require(
            other == value,
            f'{what} differs: {_short(value)} in {first}, {_short(other)} in {folder}. Merge '
            f'studies that agree in it, or run one of them again with the value of the other.',
        )
    return value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 100 else f'{text[:100]}...'


def _cells(read: Mapping[Path, Compact]) -> dict[str, Mapping[str, Any]]:
    """The cells of all folders."""
    found: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for folder, compact in read.items():
        for name, row in compact.cells.items():
            first, other = found.get(name, (folder, row))
            numbers, others = _numbers(row), _numbers(other)
            differing = sorted(k for k in {**numbers, **others} if numbers.get(k) != others.get(k))
            require(
                not differing,
                f'cell {name} has other numbers in {folder} than in {first} '
                f'({", ".join(differing)}): one of the two is wrong, or ran on another kind of '
                f'machine, or trained together with other seeds.',
            )
            chosen = min(other, row, key=lambda row: json.dumps(row, sort_keys=True))
            found[name] = (first, chosen)
    return {name: row for name, (_, row) in found.items()}


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in row['result'].items() if k not in OF_THE_MACHINE}


def _require_one_code(read: Mapping[Path, Compact]) -> None:
    codes = {
        folder: sorted({str(env.get('code')) for env in compact.environments.values()})
        for folder, compact in read.items()
    }
    if len({code for found in codes.values() for code in found}) > 1:
        where = '; '.join(f'{folder}: {", ".join(found)}' for folder, found in codes.items())
        raise BadInput(
            f'the cells come from different code ({where}): run them by one version, or accept it '
            f'with --mixed-code, which the tables then say.'
        )


@dataclass(frozen=True)
class _Part:
    """A comparison as one folder has it."""

    folder: Path
    content: Mapping[str, Any]

    @property
    def config(self) -> Mapping[str, Any]:
        return self.content['config']

    @property
    def order(self) -> tuple:
        """Its place among the parts: by what it is, not by where."""
        strategies, seeds = self.config['strategies'], self.config['seeds']
        return -len(strategies), seeds, json.dumps(self.content)

    def rate(self, strategy: str) -> float | None:
        """The learning rate of the strategy; None where it is the recipe's."""
        return self.config.get('learning_rates', {}).get(strategy)

    def has_finished(self, strategy: str, cells: Collection[str]) -> bool:
        entries = self.content['cells']
        return any(e['strategy'] == strategy and e['cell'] in cells for e in entries)


def _joined(name: str, parts: Iterable[_Part], cells: Collection[str]) -> dict[str, Any]:
    """One comparison of all of that name; `cells` are those that have finished in any folder."""
    parts = sorted(parts, key=lambda part: part.order)
    for field in sorted({key for part in parts for key in part.content} - {'config', 'cells'}):
        words = {'data_fingerprint': 'the data', 'class_names': 'the names of the classes'}
        what = f'{words.get(field, field)} of {name}'
        _agreed(what, {part.folder: part.content.get(field) for part in parts})
    for field in sorted({key for part in parts for key in part.config} - set(_JOINED)):
        what = f'{field} in the config of {name}'
        _agreed(what, {part.folder: part.config.get(field) for part in parts})
    seeds = sorted({seed for part in parts for seed in part.config['seeds']})
    for part in parts:
        require(
            not part.config.get('looks') or sorted(part.config['seeds']) == seeds,
            f'{part.folder}: {name} adds seeds by planned looks, so only folders of the same seeds '
            f'can be merged.',
        )
    strategies, rates, entries = {}, {}, {}
    for strategy in dict.fromkeys(s for part in parts for s in part.config['strategies']):
        having = [part for part in parts if strategy in part.config['strategies']]
        what = f'the strategy {strategy} of {name}'
        values = {part.folder: part.config['strategies'][strategy] for part in having}
        strategies[strategy] = _agreed(what, values)
        counting = [part for part in having if part.has_finished(strategy, cells)] or having
        entries |= _entries(name, strategy, counting, cells)
        what = f'the learning rate of {strategy} in {name}'
        _agreed(what, {part.folder: part.rate(strategy) or "the recipe's" for part in counting})
        rates[strategy] = counting[0].rate(strategy)
    rated = dict.fromkeys(s for part in parts for s in part.config.get('learning_rates', {}))
    joined = {
        'seeds': seeds,
        'strategies': strategies,
        'learning_rates': {s: rates[s] for s in rated if rates[s] is not None},
    }
    place = {strategy: number for number, strategy in enumerate(strategies)}
    ordered = sorted(entries, key=lambda key: (key[1], place[key[0]]))
    return {
        **parts[0].content,
        'config': {**parts[0].config, **joined},
        'cells': [entries[key] for key in ordered],
    }


def _entries(
    name: str, strategy: str, parts: Iterable[_Part], cells: Collection[str]
) -> dict[tuple[str, int], Mapping[str, Any]]:
    """Which cell is which seed of the strategy: of two the finished one; BadInput if both are."""
    found: dict[int, dict[str, tuple[Path, Mapping[str, Any]]]] = {}
    for part in parts:
        for entry in part.content['cells']:
            if entry['strategy'] == strategy:
                named = found.setdefault(entry['seed'], {})
                named.setdefault(entry['cell'], (part.folder, entry))
    chosen = {}
    for seed, named in found.items():
        finished = sorted(cell for cell in named if cell in cells)
        both = ' and '.join(f'cell {cell} in {named[cell][0]}' for cell in finished)
        require(
            len(finished) < 2,
            f'{name}: {strategy}, seed {seed}, has finished by different configs, such as at other '
            f'learning rates: {both}. Merge only one of these folders.',
        )
        chosen[strategy, seed] = named[finished[0] if finished else min(named)][1]
    return chosen
