"""What a number of paired seeds can detect, and how many are needed."""

import math

from scipy import optimize, stats

POWER = 0.8
"""The target power when computing the number of seeds."""
MOST_SEEDS = 10_000


def t_power(difference: float, sd: float, seeds: int, alpha: float) -> float:
    """The power of a two-sided paired t-test at `alpha` for a true mean difference.

    sd: standard deviation of the differences. Uses the noncentral t distribution.

    >>> round(t_power(1.0, 1.0, 8, 0.05), 3), t_power(1.0, 1.0, 1, 0.05)
    (0.681, 0.0)
    """
    if seeds < 2:
        return 0.0
    if sd == 0:
        return float(difference != 0)
    critical = stats.t.isf(alpha / 2, seeds - 1)
    shift = abs(difference) * math.sqrt(seeds) / sd
    above = stats.nct.sf(critical, seeds - 1, shift)
    below = stats.nct.cdf(-critical, seeds - 1, shift)
    return float(above) + (0.0 if math.isnan(below) else float(below))


def equivalence_power(
    difference: float, sd: float, seeds: int, alpha: float, *, within: float
) -> float:
    """The power of two one-sided t-tests at `alpha` to show that the mean lies within `within`.

    A lower bound: the probability that either test fails is taken as the sum of both.

    >>> round(equivalence_power(0.0, 1.0, 20, 0.05, within=1.0), 3)
    0.992
    """
    if seeds < 2:
        return 0.0
    if sd == 0:
        return float(abs(difference) < within)
    critical = stats.t.isf(alpha, seeds - 1)
    shifts = [(within + sign * difference) * math.sqrt(seeds) / sd for sign in (1, -1)]
    passes = [float(stats.nct.sf(critical, seeds - 1, shift)) for shift in shifts]
    return max(0.0, sum(passes) - 1)


def smallest_difference(sd: float, seeds: int, alpha: float) -> float | None:
    """The smallest true difference that a t-test at `alpha` detects with 80% power.

    None for fewer than two seeds.

    >>> round(smallest_difference(1.0, 8, 0.05), 3), round(smallest_difference(1.0, 3, 0.05), 3)
    (1.156, 3.264)
    """
    if seeds < 2:
        return None
    if sd == 0:
        return 0.0
    unit = math.sqrt(1 / seeds)
    high = 4 * unit * float(stats.t.isf(alpha / 2, seeds - 1)) + 4
    found = optimize.root_scalar(
        lambda d: t_power(d, 1.0, seeds, alpha) - POWER, bracket=(0.0, high)
    )
    return sd * float(found.root)


def seeds_to_decide(difference: float, sd: float, alpha: float, *, within: float) -> int | None:
    """The fewest paired seeds that decide with 80% power, if the estimates were the truth.

    Decides either that there is a difference, or that it is within `within`; None above 10,000.

    >>> seeds_to_decide(1.0, 1.0, 0.05, within=0.5), seeds_to_decide(0.0, 1.0, 0.05, within=0.5)
    (10, 36)
    """

    def decides(seeds: int) -> bool:
        return (
            max(
                t_power(difference, sd, seeds, alpha),
                equivalence_power(difference, sd, seeds, alpha, within=within),
            )
            >= POWER
        )

    high = 2
    while not decides(high):
        high *= 2
        if high > 2 * MOST_SEEDS:
            return None
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle + 1, high)
    return low if low <= MOST_SEEDS else None
