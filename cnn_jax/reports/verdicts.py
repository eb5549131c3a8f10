"""The one rule by which differences are decided.

A comparison is one strategy against the baseline in one metric, over their common seeds. All
comparisons of a table are one family.

- better, worse: the two-sided paired t-test's p-value, corrected by Holm (1979) over the family, is
  below 0.05. So at most 5% of tables in which nothing differs claim a difference.
- same: neither, and two one-sided t-tests (TOST), likewise corrected by Holm over the family, show
  that the difference is smaller than `same_within`. At most 5% of tables falsely claim sameness.
- undecided: these seeds cannot tell.

Why the t-test: an exact sign-flip test of n pairs cannot give a p-value below 2 / 2^n, so eight
comparisons would need eleven seeds however large the difference; its p-value is reported as well.
The t-test assumes that the seeds' differences are roughly normal; `experiments.simulate_verdicts`
also draws others, and counts the false claims.

If seeds are added until everything is decided, the interim looks are planned in advance and each
spends a share of the 5%, in proportion to the seeds that it adds: by Bonferroni's inequality over
the looks, together they make false claims in at most 5% of tables. What a look has decided stays
decided.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from cnn_jax.reports.statistics import equivalence_p_value, holm, paired_t_p_value

ALPHA = 0.05
FEWEST = 3
"""Least seeds for any claim: with two, differences on a finite test set may agree by chance."""
Verdict = Literal['better', 'worse', 'same', 'undecided']
KeyT = TypeVar('KeyT', bound=Hashable)
Differences = Mapping[int, float]
"""Seed -> strategy minus baseline."""
Looks = Sequence[tuple[tuple[int, ...], float]]
"""For each look its seeds, and the bound for its p-values."""


@dataclass(frozen=True)
class Decision:
    """The decision on one comparison.

    Attributes:
        p_value: Of the paired t-test, uncorrected.
        p_holm: The same, corrected over the family.
        p_same: Of the two one-sided tests, corrected over the family.
        alpha: The bound for p_holm and p_same.
        seeds: The common seeds on which it is based.
        verdict: By the rule of this module.
    """

    p_value: float
    p_holm: float
    p_same: float
    alpha: float
    seeds: tuple[int, ...]
    verdict: Verdict


def alphas(looks: Sequence[int]) -> tuple[float, ...]:
    """How much of the 5% each look spends: in proportion to the seeds that it adds.

    >>> [round(alpha, 4) for alpha in alphas((5, 8, 10))]
    [0.025, 0.015, 0.01]
    """
    before = (0, *looks)
    return tuple(ALPHA * (now - then) / looks[-1] for then, now in zip(before, looks, strict=False))


def taken_looks(looks: Sequence[int], seeds: Sequence[int], open_seeds: Collection[int]) -> Looks:
    """The looks whose seeds have all ended, each as its seeds and its share of the 5%.

    `looks`: the planned numbers of seeds; `seeds`: in the order in which they are added;
    `open_seeds`: those with a cell that has not ended.

    >>> taken_looks((2, 3), (7, 8, 9), open_seeds=[9])
    [((7, 8), 0.03333333333333333)]
    """
    settled = next((i for i, seed in enumerate(seeds) if seed in open_seeds), len(seeds))
    shares = zip(looks, alphas(looks), strict=True)
    return [(tuple(seeds[:number]), alpha) for number, alpha in shares if number <= settled]


def decide(
    family: Mapping[KeyT, Differences],
    *,
    same_within: Mapping[KeyT, float],
    looks: Looks | None = None,
) -> dict[KeyT, Decision]:
    """The decision on each comparison of a table; those without a common seed are left out.

    `same_within`: the size below which a difference is called the same; 0: never. `looks`: from
    `taken_looks`, if seeds are added until everything is decided; before the first look nothing is
    claimed.

    >>> clear = {seed: 0.05 + 0.001 * seed for seed in range(5)}
    >>> near = {seed: 0.001 * (-1) ** seed for seed in range(5)}
    >>> found = decide({'blur': clear, 'avg': near}, same_within={'blur': 0.005, 'avg': 0.005})
    >>> [decision.verdict for decision in found.values()]
    ['better', 'same']
    """
    family = {key: differences for key, differences in family.items() if differences}
    if not looks:
        return _look(family, same_within, ALPHA if looks is None else 0.0)
    decided: dict[KeyT, Decision] = {}
    for seeds, alpha in looks:
        first = {key: {s: d for s, d in v.items() if s in seeds} for key, v in family.items()}
        there = {key: v for key, v in first.items() if v}
        for key, decision in _look(there, same_within, alpha).items():
            if decided.get(key) is None or decided[key].verdict == 'undecided':
                decided[key] = decision
    return decided


def _look(
    family: Mapping[KeyT, Differences], same_within: Mapping[KeyT, float], alpha: float
) -> dict[KeyT, Decision]:
    values = {key: list(differences.values()) for key, differences in family.items()}
    enough = {key: len(v) >= FEWEST for key, v in values.items()}
    p_values = [paired_t_p_value(v) if enough[key] else 1.0 for key, v in values.items()]
    p_same = holm(
        [equivalence_p_value(v, same_within[k]) if enough[k] else 1.0 for k, v in values.items()]
    )
    rows = zip(family.items(), p_values, holm(p_values), p_same, strict=True)
    return {
        key: Decision(
            p,
            corrected,
            same,
            alpha,
            tuple(differences),
            _verdict(sum(values[key]), corrected, same, alpha),
        )
        for (key, differences), p, corrected, same in rows
    }


def _verdict(total: float, p_holm: float, p_same: float, alpha: float) -> Verdict:
    if p_holm < alpha:
        return 'better' if total > 0 else 'worse'
    return 'same' if p_same < alpha else 'undecided'
