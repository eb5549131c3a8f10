"""The descriptions of the strategies that the documentation shows."""

import inspect
from collections import Counter

import pytest

from cnn_jax.strategies import FAMILIES, STRATEGIES, strategy_names


@pytest.mark.parametrize('strategy', STRATEGIES, ids=strategy_names())
def test_every_strategy_says_where_its_authors_put_it(strategy):
    text = ' '.join((inspect.getdoc(strategy) or '').split())
    assert 'Authors: ' in text or 'No paper of its own.' in text


def test_names_are_given_once_and_every_family_is_in_its_own_file():
    assert max(Counter(strategy_names()).values()) == 1
    for family, members in FAMILIES.items():
        assert {kind.__module__ for kind in members} == {f'cnn_jax.strategies.{family}'}
