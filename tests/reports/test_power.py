"""Power and numbers of seeds against simulation and against each other."""

import numpy as np
import pytest
from scipy import stats

from cnn_jax.reports.power import (
    equivalence_power,
    seeds_to_decide,
    smallest_difference,
    t_power,
)


@pytest.mark.parametrize(('difference', 'seeds', 'alpha'), [(1.0, 5, 0.05), (0.4, 11, 0.01)])
def test_the_power_is_the_share_of_drawn_tests_that_reject(difference, seeds, alpha):
    draws = np.random.default_rng(0).normal(difference, 1.0, (20_000, seeds))
    share = (stats.ttest_1samp(draws, 0.0, axis=1).pvalue < alpha).mean()
    assert t_power(difference, 1.0, seeds, alpha) == pytest.approx(share, abs=0.012)
    assert t_power(-3 * difference, 3.0, seeds, alpha) == pytest.approx(
        t_power(difference, 1.0, seeds, alpha)
    )


@pytest.mark.parametrize(('difference', 'seeds'), [(0.0, 12), (0.3, 30)])
def test_the_power_of_equivalence_is_at_most_the_share_of_drawn_tests(difference, seeds):
    draws = np.random.default_rng(1).normal(difference, 1.0, (20_000, seeds))
    below = stats.ttest_1samp(draws, 1.0, axis=1, alternative='less').pvalue < 0.05
    above = stats.ttest_1samp(draws, -1.0, axis=1, alternative='greater').pvalue < 0.05
    found = equivalence_power(difference, 1.0, seeds, 0.05, within=1.0)
    assert found == pytest.approx((below & above).mean(), abs=0.012)


@pytest.mark.parametrize('seeds', [2, 3, 8, 30])
@pytest.mark.parametrize('alpha', [0.05, 0.05 / 8, 0.05 / 76])
def test_the_smallest_difference_has_that_power(seeds: int, alpha: float):
    found = smallest_difference(0.01, seeds, alpha)
    assert found is not None and t_power(found, 0.01, seeds, alpha) == pytest.approx(0.8, abs=1e-6)


def test_seeds_to_decide_is_the_first_number_with_power():
    for difference, sd in ((0.01, 0.004), (0.001, 0.004), (0.005, 0.001)):
        needed = seeds_to_decide(difference, sd, 0.01, within=0.005)
        assert needed is not None

        def power(seeds, difference=difference, sd=sd):
            return max(
                t_power(difference, sd, seeds, 0.01),
                equivalence_power(difference, sd, seeds, 0.01, within=0.005),
            )

        assert power(needed) >= 0.8 > power(needed - 1)


def test_no_spread_one_seed_and_what_never_ends():
    assert t_power(0.1, 0.0, 3, 0.05) == 1.0 and t_power(0.0, 0.0, 3, 0.05) == 0.0
    assert equivalence_power(0.1, 0.0, 3, 0.05, within=0.2) == 1.0
    assert smallest_difference(1.0, 1, 0.05) is None and smallest_difference(0.0, 3, 0.05) == 0.0
    assert seeds_to_decide(0.0, 1.0, 0.05, within=0.0) is None
    assert seeds_to_decide(0.00501, 5.0, 0.05, within=0.005) is None
