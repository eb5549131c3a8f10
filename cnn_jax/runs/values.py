"""Configs to plain JSON values and back; a cell's folder is named by the hash of these values.

The user's own classes and functions are recorded by file and source: see `cnn_jax.brought`.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar

from cnn_jax.brought import BROUGHT, found, record_of, without_places
from cnn_jax.errors import BadInput, require
from cnn_jax.runs.config import PARTS, Cell, Comparison
from cnn_jax.strategies import STRATEGIES, Strategy, strategy_from_dict, strategy_to_dict

_FORMAT = 2  # raise it when the same config would give different numbers


def config_to_dict(config: Cell | Comparison) -> dict:
    """The resolved config as plain JSON values.

    >>> from cnn_jax.strategies import Max
    >>> config_to_dict(Cell(strategy=Max(), seed=0))['strategy']
    {'name': 'max', 'window': None, 'stride': 2, 'padding': None}
    """
    values = {f.name: _plain(vars(config)[f.name]) for f in fields(config)}
    # What older versions did not have is left out, so that their cells keep their names.
    if not values['evaluation']['metrics']:
        del values['evaluation']['metrics']
    if values['task'] == 'classification':
        del values['task']
    return json.loads(json.dumps(values))


def _plain(value: Any) -> Any:
    """A field as a JSON value."""
    if isinstance(value, Strategy):
        own = {} if type(value) in STRATEGIES else record_of(type(value))
        return {**strategy_to_dict(value), **own}
    if isinstance(value, tuple(PARTS.values())):
        return {f.name: _plain(vars(value)[f.name]) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return record_of(value) if callable(value) else value


def cell_from_dict(values: Mapping) -> Cell:
    """The inverse of `config_to_dict` for a cell; missing fields have their defaults.

    Raises BadInput where a field is unknown, as in files of another version, or wrong.

    >>> from cnn_jax.strategies import MaxBlur
    >>> cell = Cell(strategy=MaxBlur(filter_size=5), seed=3, image_size=(32, 32))
    >>> cell_from_dict(config_to_dict(cell)) == cell
    True
    """
    return _from_dict(Cell, values)


def comparison_from_dict(values: Mapping) -> Comparison:
    """The inverse of `config_to_dict` for a comparison, like `cell_from_dict`.

    >>> from cnn_jax.strategies import Max
    >>> comparison_from_dict({'strategies': {'max': {'name': 'max'}}}).strategies
    {'max': Max(window=None, stride=2, padding=None)}
    """
    return _from_dict(Comparison, values)


_Config = TypeVar('_Config', Cell, Comparison)


def _from_dict(kind: type[_Config], values: Mapping) -> _Config:
    made = _tuples(values)
    unknown = sorted(set(made) - {f.name for f in fields(kind)})
    try:
        for name, part in PARTS.items():
            if isinstance(made.get(name), Mapping):
                unknown += sorted(f'{name}.{k}' for k in set(made[name]) - _names(part))
                made[name] = part(**_tuples(made[name])) if not unknown else made[name]
        require(not unknown, f'unknown here: {", ".join(unknown)}')
        if 'strategy' in made:
            made['strategy'] = _strategy(values['strategy'])
        if 'strategies' in made:
            made['strategies'] = {k: _strategy(s) for k, s in values['strategies'].items()}
        return kind(**made)
    except (BadInput, TypeError, KeyError, ValueError, AttributeError) as error:
        raise BadInput(f'not the config of a {kind.__name__.lower()}: {error}') from None


def _strategy(values: Mapping) -> Strategy:
    if BROUGHT not in values:
        return strategy_from_dict(values)
    own = found(values)
    return own(**_tuples({k: v for k, v in values.items() if k in _names(own)}))


def _names(part: type) -> set[str]:
    return {f.name for f in fields(part)}


def _tuples(values: Mapping) -> dict:
    """Turns JSON's lists into tuples, and records of the user's objects into these objects."""
    return {name: _tuple(value) for name, value in values.items()}


def _tuple(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_tuple, value))
    return found(value) if isinstance(value, Mapping) and BROUGHT in value else value


def config_hash(cell: Cell) -> str:
    """The name of the cell's folder: 16 hex digits of the SHA-256 of its config as sorted JSON.

    >>> from cnn_jax.strategies import Max
    >>> one, two = (Cell(strategy=Max(), seed=seed) for seed in (0, 1))
    >>> len(config_hash(one)), config_hash(one) == config_hash(two)
    (16, False)
    """
    return hash_of_values(config_to_dict(cell))


def hash_of_values(values: Mapping) -> str:
    """The `config_hash` of a cell's config given as plain values, whatever fields it has."""
    text = json.dumps({'format': _FORMAT, **without_places(values)}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def config_difference(old: Mapping, new: Mapping, path: str = '') -> list[str]:
    """The places where two resolved configs differ, one 'name: old -> new' each.

    >>> config_difference({'epochs': 3, 'a': {'b': 1}}, {'epochs': 3, 'a': {'b': 2}})
    ['a.b: 1 -> 2']
    """
    old, new = without_places(old), without_places(new)
    changes = []
    for key in sorted({*old, *new}):
        before, after = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            changes += config_difference(before, after, f'{path}{key}.')
        elif before != after:
            changes.append(f'{path}{key}: {json.dumps(before)} -> {json.dumps(after)}')
    return changes
