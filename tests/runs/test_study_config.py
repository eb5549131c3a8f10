"""A study: what it refuses when it is made, so that nothing trains in vain."""

from dataclasses import replace
from typing import Any

import pytest

from cnn_jax.compact import TUNING_SEED
from cnn_jax.errors import BadInput
from cnn_jax.runs import Comparison, Study
from cnn_jax.runs.study_config import chosen
from cnn_jax.strategies import Avg, Max
from cnn_jax.training import Optimizer

COMPARISON = Comparison(
    model='convnet1_3x3',
    strategies={'max': Max(), 'avg': Avg()},
    optimizer=Optimizer(name='muon', learning_rate=0.02),
)
HUGE = pytest.param(10**400, id='huge')  # no float holds it
STUDY = Study(title='tiny', comparisons={'main': COMPARISON})


def named(*names: Any) -> Study:
    return Study(title='t', comparisons=dict.fromkeys(names, COMPARISON))


def tuned(*factors: Any) -> Study:
    return replace(STUDY, tune={'main': factors})


def test_comparisons_that_are_refused(unchecked):
    with pytest.raises(BadInput, match='at least one name and Comparison'):
        Study(title='', comparisons={})
    with pytest.raises(BadInput, match='is the one that learning rates are chosen with'):
        Study(title='', comparisons={'a': replace(COMPARISON, seeds=(TUNING_SEED,))})
    for title in (None, '\ud800'):
        with pytest.raises(BadInput, match='title must be text'):
            replace(STUDY, title=title)
    with pytest.raises(BadInput, match="unknown comparison 'mian': did you mean 'main'"):
        chosen(STUDY, ('mian',))
    assert chosen(STUDY, None) is STUDY


def test_names_that_cannot_be_folders_are_refused(unchecked):
    for name in ('a/b', '', '..', '-_', 3, None):
        with pytest.raises(BadInput, match='letters, digits, - and _; got'):
            named(name)
    for name in ('n' * 300, '\N{LATIN SMALL LETTER A WITH DIAERESIS}' * 51):
        with pytest.raises(BadInput, match='at most 100 bytes, as it names folders; got'):
            named(name)
    assert named('n' * 100)
    with pytest.raises(BadInput, match="'a' and 'A' differ by case alone.*: rename one"):
        named('a', 'b', 'A')
    for taken in ('main_rate_1', 'MAIN_RATE_1'):
        with pytest.raises(BadInput, match='(?i)main_rate_1.* give it another name'):
            replace(named('main', taken), tune={'main': (1.0,)})


@pytest.mark.parametrize('tune', [[], None, 'main', ('main',)])
def test_tune_is_a_dict(unchecked, tune: Any):
    with pytest.raises(BadInput, match='tune must be a dict of names'):
        replace(STUDY, tune=tune)


def test_what_is_tuned_is_there_and_has_no_rates_of_its_own(unchecked):
    with pytest.raises(BadInput, match="unknown comparison in tune 'mian': did you mean 'main'"):
        replace(STUDY, tune={'mian': (1.0,)})
    with pytest.raises(BadInput, match="unknown comparison in tune 'None'"):
        replace(STUDY, tune={None: (1.0,)})
    own = replace(COMPARISON, learning_rates={'avg': 0.3})
    with pytest.raises(BadInput, match=r'main has learning_rates of its own \(avg\).*leave out'):
        Study(title='t', comparisons={'main': own}, tune={'main': (0.5, 1.0)})
    assert Study(title='t', comparisons={'main': own, 'two': COMPARISON}, tune={'two': (0.5,)})


@pytest.mark.parametrize('factor', [0.0, -1, float('inf'), float('nan'), HUGE, '1', True, None])
def test_factors_are_numbers_above_0(unchecked, factor: Any):
    with pytest.raises(BadInput, match='factors above 0'):
        tuned(1.0, factor)


@pytest.mark.parametrize('factors', [(), [1.0], None, 1.0])
def test_factors_are_a_tuple(unchecked, factors: Any):
    with pytest.raises(BadInput, match='tuples of factors above 0'):
        replace(STUDY, tune={'main': factors})


@pytest.mark.parametrize('factor', [1e300, 1e41, 1e-40, 1e-300], ids=str)
def test_a_rate_that_float32_cannot_hold_is_refused(factor: Any):
    with pytest.raises(BadInput, match='gives main a learning rate of .* float32 cannot hold'):
        tuned(1.0, factor)


@pytest.mark.parametrize(
    'factors', [(1.0, 1.0), (1, 1.0), (1.0, 1.0000001), (0.5, 1234567.0, 1234568.0)]
)
def test_factors_of_one_folder_are_refused(unchecked, factors: Any):
    with pytest.raises(BadInput, match='of main are both .* in the name of a folder'):
        tuned(*factors)
    assert tuned(0.5, 1, 2.0)
