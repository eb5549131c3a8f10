"""Strategy name -> strategy."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from cnn_jax.errors import unknown_name
from cnn_jax.strategies.base import Strategy
from cnn_jax.strategies.blurred import BLURRED
from cnn_jax.strategies.combined import COMBINED
from cnn_jax.strategies.convolved import CONVOLVED
from cnn_jax.strategies.drawn import DRAWN
from cnn_jax.strategies.frequency import FREQUENCY
from cnn_jax.strategies.plain import PLAIN
from cnn_jax.strategies.polyphase import POLYPHASE
from cnn_jax.strategies.weighted import WEIGHTED

FAMILIES: Mapping[str, tuple[type[Strategy], ...]] = {
    'plain': PLAIN,
    'blurred': BLURRED,
    'weighted': WEIGHTED,
    'combined': COMBINED,
    'polyphase': POLYPHASE,
    'frequency': FREQUENCY,
    'convolved': CONVOLVED,
    'drawn': DRAWN,
}
STRATEGIES = tuple(strategy for family in FAMILIES.values() for strategy in family)


def strategy_names() -> tuple[str, ...]:
    """The names of all strategies.

    >>> 'max_blur' in strategy_names()
    True
    """
    return tuple(strategy.name for strategy in STRATEGIES)


def strategy_named(name: str, **hyperparameters: Any) -> Strategy:
    """The strategy of that name; raises BadInput with the nearest name or field.

    >>> strategy_named('blur', filter_size=5)
    Blur(filter_size=5, stride=2, padding='reflect')
    """
    known: dict[str, Callable[..., Strategy]] = {s.name: s for s in STRATEGIES}
    if not isinstance(name, str) or name not in known:
        raise unknown_name('strategy', str(name), known)
    strategy = known[name]
    allowed = [f.name for f in fields(strategy)]  # pyright: ignore[reportArgumentType]
    for key in hyperparameters:
        if key not in allowed:
            raise unknown_name(f'field of strategy {name}', key, allowed)
    return strategy(**hyperparameters)


def strategy_to_dict(strategy: Strategy) -> dict:
    """The strategy's name and hyperparameters, as plain JSON values.

    >>> strategy_to_dict(strategy_named('max'))
    {'name': 'max', 'window': None, 'stride': 2, 'padding': None}
    """
    return {'name': strategy.name, **vars(strategy)}


def strategy_from_dict(values: Mapping) -> Strategy:
    """The inverse of `strategy_to_dict`, for the strategies that have a name here.

    >>> strategy_from_dict({'name': 'max', 'window': 3, 'stride': 2})
    Max(window=3, stride=2, padding=None)
    """
    given = {name: _tuples(value) for name, value in values.items() if name != 'name'}
    return strategy_named(values['name'], **given)


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
