"""Statistics against hand-worked values, scipy and plain enumeration."""

import itertools

import numpy as np
import pytest
from scipy import stats

from cnn_jax.errors import BadInput
from cnn_jax.reports.statistics import (
    Estimate,
    equivalence_p_value,
    holm,
    mean_interval,
    paired_t_p_value,
    sign_flip_p_value,
    standard_deviation,
)


def test_mean_interval_by_hand():
    """t(0.975, 2) = 4.3027, spread 1, so the half-width is 4.3027 / sqrt(3) = 2.4841."""
    estimate = mean_interval([4.0, 5.0, 6.0])
    assert estimate.mean == 5.0
    assert estimate.ci95 == pytest.approx((5 - 2.48414, 5 + 2.48414), abs=1e-5)


@pytest.mark.parametrize('count', [2, 3, 6, 11])
def test_mean_interval_is_scipys(count: int):
    values = np.random.default_rng(count).normal(0.89, 0.01, count).tolist()
    expected = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    assert mean_interval(values).ci95 == pytest.approx((expected.low, expected.high), rel=1e-9)


def test_one_value_has_no_interval_and_none_no_mean():
    assert mean_interval([0.5]) == Estimate(0.5, None)
    with pytest.raises(BadInput, match='at least 1 value'):
        mean_interval([])


def test_equal_values_give_an_interval_without_width():
    assert mean_interval([0.25, 0.25, 0.25]).ci95 == (0.25, 0.25)


@pytest.mark.parametrize('count', [1, 2, 3, 7, 12])
def test_sign_flip_is_a_plain_enumeration(count: int):
    differences = np.random.default_rng(count).normal(0.3, 1.0, count).tolist()
    seen = abs(sum(differences)) - 1e-12
    patterns = list(itertools.product((1, -1), repeat=count))
    sums = [abs(sum(s * d for s, d in zip(p, differences, strict=True))) for p in patterns]
    assert sign_flip_p_value(differences) == sum(s >= seen for s in sums) / len(patterns)


@pytest.mark.parametrize('count', [1, 3, 6, 14])
def test_differences_of_one_sign_give_the_smallest_p(count: int):
    differences = [-0.01 * (index + 1) for index in range(count)]
    assert sign_flip_p_value(differences) == 2 / 2**count


def test_sums_equal_on_paper_count_as_equal():
    """0.1 + 0.2 is not 0.3 in floating point; |+-0.1 +-0.2 +-0.3| >= 0 always holds."""
    assert sign_flip_p_value([0.1, 0.2, -0.3]) == 1.0
    # By hand: sizes 1 1 2, seen 2; sums 4 2 2 0 and their opposites, so 3 of 4 reach it.
    assert sign_flip_p_value([0.8921 - 0.8920, -0.0001, 0.0002]) == 0.75


def test_no_difference_at_all_is_p_one():
    assert sign_flip_p_value([0.0, 0.0, 0.0]) == 1.0
    assert sign_flip_p_value([0.0] * 30) == 1.0


def test_of_many_pairs_a_fixed_sample_is_near_the_exact_value():
    differences = np.random.default_rng(1).normal(0.25, 1.0, 21)
    sums = np.zeros(1)
    for difference in differences:
        sums = np.concatenate((sums + difference, sums - difference))
    exact = float(np.mean(np.abs(sums) >= abs(differences.sum()) - 1e-12))
    found = sign_flip_p_value(differences.tolist())
    assert 0.01 < exact < 0.9
    assert found == pytest.approx(exact, abs=0.012)
    assert found == sign_flip_p_value(differences.tolist())
    assert 0 < sign_flip_p_value([1.0] * 40) < 2e-4


def test_no_differences_are_bad_input():
    with pytest.raises(BadInput):
        sign_flip_p_value([])


@pytest.mark.parametrize('count', [2, 3, 8, 40])
def test_paired_t_is_scipys(count: int):
    differences = np.random.default_rng(count).normal(0.4, 1.0, count)
    expected = stats.ttest_1samp(differences, 0.0).pvalue
    assert paired_t_p_value(differences.tolist()) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize('mean', [0.0, 0.3, -0.3, 2.0])
def test_equivalence_is_the_larger_of_scipys_two_one_sided_tests(mean: float):
    differences = np.random.default_rng(3).normal(mean, 0.4, 9)
    below = stats.ttest_1samp(differences, 0.5, alternative='less').pvalue
    above = stats.ttest_1samp(differences, -0.5, alternative='greater').pvalue
    found = equivalence_p_value(differences.tolist(), within=0.5)
    assert found == pytest.approx(max(below, above), rel=1e-9)
    assert equivalence_p_value(differences.tolist(), within=0.0) >= 0.5


def test_values_without_spread_and_single_ones():
    assert paired_t_p_value([0.1, 0.1, 0.1]) == 0.0
    assert paired_t_p_value([0.0, 0.0]) == 1.0
    assert paired_t_p_value([0.3]) == equivalence_p_value([0.3], within=1.0) == 1.0
    assert equivalence_p_value([0.1, 0.1], within=0.2) == 0.0
    assert equivalence_p_value([0.3, 0.3], within=0.2) == 1.0
    assert paired_t_p_value([0.1 + 0.2, 0.3]) == 0.0  # equal on paper
    for test in (paired_t_p_value, lambda d: equivalence_p_value(d, within=1.0)):
        with pytest.raises(BadInput):
            test([])
    assert standard_deviation([1.0, 2.0, 4.0]) == pytest.approx(np.std([1, 2, 4], ddof=1))


def test_holm_by_hand():
    """Sorted 0.005 0.01 0.03 0.04 times 4 3 2 1 = 0.02 0.03 0.06 0.04; the last rises to 0.06."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.7, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()


@pytest.mark.parametrize('seed', range(5))
def test_holm_keeps_the_order_and_lies_between_p_and_bonferroni(seed: int):
    p_values = np.random.default_rng(seed).uniform(0, 0.4, 8).tolist()
    corrected = holm(p_values)
    assert [corrected[index] for index in np.argsort(p_values)] == sorted(corrected)
    for p_value, value in zip(p_values, corrected, strict=True):
        assert p_value <= value <= min(1.0, 8 * p_value)
