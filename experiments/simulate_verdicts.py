"""How often does the verdict rule make false claims, and how often does it detect true effects?

python -m experiments.simulate_verdicts --json runs/simulate_verdicts.json   (the table goes to .md)

Simulates tables of five strategies and two metrics with the standard deviation over seeds of small
nets (0.3 points of accuracy, 1.2 of consistency), and judges them by the rule itself
(`cnn_jax.reports.verdicts.decide`). Differences share the baseline's noise, as real ones do. False
claims are counted where nothing differs (of a difference) and where everything differs by exactly
the margin (of sameness); the noise is normal, heavy-tailed (t with 3 degrees of freedom) or skewed
(exponential).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cnn_jax.exits import exit_codes, parse_options

SHAPES = ('normal', 'heavy', 'skewed')
SEEDS = (3, 5, 8, 11)
UNTIL = 'until decided, at most 20'
METRICS = {'accuracy': 0.003, 'consistency': 0.012}  # standard deviation over seeds
MARGIN = 0.005
OTHERS = 4  # strategies besides the baseline
COLUMNS = ('seeds', 'luck', 'false difference %', 'false sameness %')
POWER_COLUMNS = ('seeds', 'true difference, points', 'seen in accuracy %', 'seen in consistency %')
TRUE_POINTS = (0.25, 0.5, 1.0, 2.0, 5.0)
SAME_COLUMNS = ('seeds', 'called the same in accuracy %', 'in consistency %')


@dataclass(frozen=True)
class Options:
    """How much to simulate."""

    json: Path
    """File for the rows."""
    tables: int = 2000
    """Tables simulated for each row."""
    seed: int = 0
    """Seed of the simulation."""


def main() -> None:
    """Simulates tables, judges them, prints the shares."""
    options = parse_options(
        Options,
        sys.argv[1:],
        program='python -m experiments.simulate_verdicts',
        description='Counts false claims and power of the verdicts, in drawn tables.',
    )
    from cnn_jax.errors import require
    from cnn_jax.files import write_atomically, write_json
    from experiments.benchmarks.table import as_markdown

    require(options.tables >= 1, f'--tables must be at least 1; got {options.tables}.')
    draw = np.random.default_rng(options.seed)
    rows = []
    for seeds in (*SEEDS, UNTIL):
        for shape in SHAPES:
            nothing = verdicts(draw, options.tables, seeds, shape, 0.0)
            margin = verdicts(draw, options.tables, seeds, shape, MARGIN)
            rows.append(
                {
                    'seeds': seeds,
                    'luck': shape,
                    'tables': options.tables,
                    'false_difference': claims(nothing, ('better', 'worse')),
                    'false_sameness': claims(margin, ('same',)),
                    'same_seen': {metric: seen(nothing, metric, 'same') for metric in METRICS},
                }
            )
            print(*rows[-1].values(), file=sys.stderr, flush=True)
    power = []
    for seeds in (*SEEDS, UNTIL):
        for points in TRUE_POINTS:
            found = verdicts(draw, options.tables // 4 or 1, seeds, 'normal', points / 100)
            right = {metric: seen(found, metric, 'better') for metric in METRICS}
            power.append({'seeds': seeds, 'points': points, 'seen': right})
            print(*power[-1].values(), file=sys.stderr, flush=True)
    write_json(options.json, {'false_claims': rows, 'power': power})
    tables = (
        as_markdown(COLUMNS, false_claims_cells(rows)),
        as_markdown(POWER_COLUMNS, power_cells(power)),
        as_markdown(SAME_COLUMNS, same_cells(rows)),
    )
    write_atomically(options.json.with_suffix('.md'), '\n'.join(tables).encode())
    print('\n'.join(tables))


def verdicts(
    draw: np.random.Generator, tables: int, seeds: int | str, shape: str, difference: float
) -> list[dict[tuple[str, int], str]]:
    """The verdicts on simulated tables in which every strategy is better by `difference`."""
    from cnn_jax.reports.verdicts import decide, taken_looks
    from cnn_jax.runs.until_decided import FIRST_LOOK, STEP, planned_looks

    number = 20 if isinstance(seeds, str) else seeds
    looks = None
    if isinstance(seeds, str):
        looks = taken_looks(planned_looks(FIRST_LOOK, STEP, number), range(number), ())
    keys = [(metric, other) for metric in METRICS for other in range(OTHERS)]
    same = dict.fromkeys(keys, MARGIN)
    found = []
    for _ in range(tables):
        family = {}
        for metric, sd in METRICS.items():
            values = sd * luck(draw, shape, (OTHERS + 1, number))
            for other in range(OTHERS):
                pairs = difference + values[1 + other] - values[0]
                family[metric, other] = dict(enumerate(pairs.tolist()))
        decided = decide(family, same_within=same, looks=looks)
        found.append({key: decision.verdict for key, decision in decided.items()})
    return found


def luck(draw: np.random.Generator, shape: str, size: tuple[int, int]) -> np.ndarray:
    """Numbers of mean 0 and standard deviation 1."""
    if shape == 'normal':
        return draw.normal(size=size)
    if shape == 'heavy':
        return draw.standard_t(3, size=size) / np.sqrt(3)
    return draw.exponential(size=size) - 1


def claims(found: list[dict[tuple[str, int], str]], which: tuple[str, ...]) -> float:
    """The share of tables with at least one of these verdicts."""
    return float(np.mean([any(v in which for v in table.values()) for table in found]))


def seen(found: list[dict[tuple[str, int], str]], metric: str, verdict: str) -> float:
    """The share of the metric's comparisons with that verdict."""
    rows = [v == verdict for table in found for key, v in table.items() if key[0] == metric]
    return float(np.mean(rows))


def false_claims_cells(rows: list[dict]) -> list[tuple[str, ...]]:
    """Rows of the first table."""
    return [
        (
            str(row['seeds']),
            row['luck'],
            f'{100 * row["false_difference"]:.1f}',
            f'{100 * row["false_sameness"]:.1f}',
        )
        for row in rows
    ]


def power_cells(rows: list[dict]) -> list[tuple[str, ...]]:
    """Rows of the second table."""
    return [
        (
            str(row['seeds']),
            f'{row["points"]:g}',
            *(f'{100 * row["seen"][metric]:.0f}' for metric in METRICS),
        )
        for row in rows
    ]


def same_cells(rows: list[dict]) -> list[tuple[str, ...]]:
    """Rows of the third table, for normal noise."""
    return [
        (str(row['seeds']), *(f'{100 * row["same_seen"][metric]:.0f}' for metric in METRICS))
        for row in rows
        if row['luck'] == 'normal'
    ]


if __name__ == '__main__':
    with exit_codes():
        main()
