"""Statistics over paired seeds: intervals, p-values and Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from cnn_jax.errors import require

EXACT_UP_TO = 14
"""Up to this many pairs all sign patterns are enumerated; above it a fixed-seed sample is drawn."""


@dataclass(frozen=True)
class Estimate:
    """A mean and its 95% t-interval (`None` for a single value)."""

    mean: float
    ci95: tuple[float, float] | None


def mean_interval(values: Sequence[float]) -> Estimate:
    """The mean of one value per seed with its 95% t-interval; the unit is that of `values`.

    Raises `BadInput` for no values. The interval assumes that the values are roughly normal.

    >>> estimate = mean_interval([1.0, 2.0, 3.0])
    >>> estimate.mean, [round(end, 3) for end in estimate.ci95]
    (2.0, [-0.484, 4.484])
    >>> mean_interval([0.9])
    Estimate(mean=0.9, ci95=None)
    """
    require(len(values) > 0, 'a mean needs at least 1 value, 0 were given: finish a cell first.')
    mean = math.fsum(values) / len(values)
    if len(values) < 2:
        return Estimate(mean, None)
    variance = math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * math.sqrt(variance / len(values))
    return Estimate(mean, (mean - half, mean + half))


def share_interval(values: Sequence[float]) -> Estimate:
    """`mean_interval` of shares, with its ends clipped to 0 and 1.

    >>> share_interval([0.9, 1.0]).ci95[1]
    1.0
    """
    estimate = mean_interval(values)
    if estimate.ci95 is None:
        return estimate
    low, high = estimate.ci95
    return Estimate(estimate.mean, (max(0.0, low), min(1.0, high)))


def sign_flip_p_value(differences: Sequence[float], draws: int = 20_000) -> float:
    """The two-sided p-value of the sign-flip test that the paired differences centre on 0.

    It is the share of all 2**n sign patterns of the differences that are at least as extreme as the
    observed one: exact up to 14 differences, and above that estimated from `draws` random sign
    patterns of a fixed seed (the observed pattern counts as one of them, so it is never 0).
    Raises `BadInput` for no differences.

    >>> sign_flip_p_value([0.1, 0.2, 0.3])
    0.25
    >>> sign_flip_p_value([0.1, -0.2, 0.3])
    0.75
    """
    require(len(differences) > 0, 'a sign-flip test needs at least 1 difference, 0 were given.')
    if len(differences) == 1:
        return 1.0
    test = stats.permutation_test(
        (np.asarray(differences, dtype=np.float64),),
        lambda values, axis: values.sum(axis),
        permutation_type='samples',
        vectorized=True,
        n_resamples=2 ** len(differences) if len(differences) <= EXACT_UP_TO else draws,
        batch=4096,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def paired_t_p_value(differences: Sequence[float]) -> float:
    """The two-sided p-value of Student's paired t-test that the differences have mean 0.

    1 for a single difference, which cannot be tested; 0 where all have the same nonzero value.
    Raises `BadInput` for no differences.

    >>> round(paired_t_p_value([0.1, 0.2, 0.3]), 4), paired_t_p_value([0.1])
    (0.0742, 1.0)
    """
    return min(1.0, 2 * _upper_tail(differences, 0.0, two_sided=True))


def equivalence_p_value(differences: Sequence[float], within: float) -> float:
    """The p-value of two one-sided t-tests (TOST) that the mean lies outside (-within, within).

    Schuirmann 1987: the larger of the p-values against -within and against within. A small p-value
    shows that the two differ by less than `within`, in the unit of the differences.

    >>> round(equivalence_p_value([0.1, 0.2, 0.3], within=0.5), 4)
    0.0175
    """
    below = _upper_tail([-d for d in differences], -within)
    above = _upper_tail(differences, -within)
    return max(below, above)


def _upper_tail(differences: Sequence[float], null: float, *, two_sided: bool = False) -> float:
    """P(T >= t) for the t of the mean's distance from `null`, or P(|T| >= |t|) if `two_sided`."""
    require(len(differences) > 0, 'a t-test needs at least 1 difference, 0 were given.')
    if len(differences) < 2:
        return 1.0
    mean, sd = math.fsum(differences) / len(differences), standard_deviation(differences)
    distance = abs(mean - null) if two_sided else mean - null
    # Values that are mathematically equal differ in floating point: treat them as equal.
    if sd <= 1e-12 * max(map(abs, differences), default=0.0):
        return 0.0 if distance > 1e-12 * abs(mean) else 1.0
    return float(stats.t.sf(distance * math.sqrt(len(differences)) / sd, len(differences) - 1))


def standard_deviation(values: Sequence[float]) -> float:
    """The sample standard deviation (n - 1) of at least two values.

    >>> standard_deviation([1.0, 3.0])
    1.4142135623730951
    """
    mean = math.fsum(values) / len(values)
    return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Holm's step-down correction for multiple comparisons, in the given order, at most 1.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    order = sorted(range(len(p_values)), key=lambda index: p_values[index])
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return tuple(corrected)
