"""The rule: what is called better, worse, the same and undecided, at one look and at several."""

import numpy as np
import pytest

from cnn_jax.reports.statistics import equivalence_p_value, holm, paired_t_p_value
from cnn_jax.reports.verdicts import ALPHA, alphas, decide, taken_looks
from cnn_jax.runs.until_decided import planned_looks


def normal(seed: int, mean: float, sd: float, number: int) -> dict[int, float]:
    drawn = np.random.default_rng(seed).normal(mean, sd, number)
    return {place: float(value) for place, value in enumerate(drawn)}


def verdicts(family, within=0.005, **options):
    same = dict.fromkeys(family, within)
    return {k: d.verdict for k, d in decide(family, same_within=same, **options).items()}


def test_the_four_verdicts():
    family = {
        'up': normal(0, 0.02, 0.002, 8),
        'down': normal(1, -0.02, 0.002, 8),
        'level': normal(2, 0.0, 0.001, 8),
        'unclear': normal(3, 0.004, 0.01, 8),
    }
    assert verdicts(family) == {
        'up': 'better',
        'down': 'worse',
        'level': 'same',
        'unclear': 'undecided',
    }


def test_p_values_are_corrected_over_the_whole_family_and_apart_for_sameness():
    family = {n: normal(n, 0.003 * n, 0.003, 6) for n in range(5)}
    found = decide(family, same_within=dict.fromkeys(family, 0.005))
    values = [list(d.values()) for d in family.values()]
    p = [paired_t_p_value(v) for v in values]
    assert [d.p_value for d in found.values()] == p
    assert tuple(d.p_holm for d in found.values()) == holm(p)
    assert tuple(d.p_same for d in found.values()) == holm(
        [equivalence_p_value(v, 0.005) for v in values]
    )


def test_a_small_difference_that_is_shown_is_no_sameness():
    small = {'small': normal(4, 0.002, 0.0002, 8)}
    assert verdicts(small) == {'small': 'better'}
    assert decide(small, same_within={'small': 0.005})['small'].p_same < ALPHA


def test_nothing_is_the_same_within_nothing_and_one_seed_decides_nothing():
    assert verdicts({'a': normal(2, 0.0, 1e-4, 8)}, within=0.0) == {'a': 'undecided'}
    assert verdicts({'a': {0: 0.5}, 'b': {}}) == {'a': 'undecided'}
    assert decide({}, same_within={}) == {}


def test_looks_are_planned_and_spend_five_percent():
    assert planned_looks(5, 3, 16) == (5, 8, 11, 14, 16)
    assert planned_looks(8, 3, 5) == (5,)
    for looks in ((5, 8, 11), (8,), planned_looks(5, 3, 30)):
        assert sum(alphas(looks)) == pytest.approx(ALPHA)
        assert all(alpha > 0 for alpha in alphas(looks))


LOOKS = taken_looks((5, 8, 11), range(11), ())


def test_what_an_early_look_decided_stays_and_what_it_could_not_goes_on():
    clear = normal(0, 0.05, 0.002, 11)
    late = {**normal(5, 0.0, 0.01, 5), **{n: 0.02 + 0.001 * (n % 2) for n in range(5, 11)}}
    same = {'clear': 0.005, 'late': 0.005}
    found = decide({'clear': clear, 'late': late}, same_within=same, looks=LOOKS)
    assert (found['clear'].verdict, found['clear'].seeds) == ('better', tuple(range(5)))
    assert found['clear'].alpha == pytest.approx(ALPHA * 5 / 11)
    assert len(found['late'].seeds) > 5
    turned = {**clear, **{n: -0.3 for n in range(5, 11)}}
    again = decide({'clear': turned, 'late': late}, same_within=same, looks=LOOKS)
    assert again['clear'].verdict == 'better'


def test_before_the_first_look_nothing_is_claimed():
    family = {'clear': normal(0, 0.05, 0.002, 7)}
    found = decide(family, same_within={'clear': 0.005}, looks=[])['clear']
    assert (found.verdict, found.alpha) == ('undecided', 0.0)


def test_a_look_is_taken_once_all_its_seeds_have_ended_and_not_before():
    seeds = (4, 9, 2, 7)
    assert [len(s) for s, _ in taken_looks((2, 3, 4), seeds, ())] == [2, 3, 4]
    assert [s for s, _ in taken_looks((2, 3, 4), seeds, {2})] == [(4, 9)]
    assert taken_looks((2, 3, 4), seeds, {9, 7}) == []
    assert [s for s, _ in taken_looks((2, 3), seeds[:2], ())] == [(4, 9)]


def test_a_seed_that_one_strategy_lost_is_no_seed_of_another_look():
    lost = {n: d for n, d in normal(0, 0.05, 0.002, 11).items() if n != 1}
    found = decide({'lost': lost}, same_within={'lost': 0.005}, looks=LOOKS)['lost']
    assert found.seeds == (0, 2, 3, 4)
