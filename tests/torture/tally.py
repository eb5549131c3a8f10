"""The counts of a campaign."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

VIOLATIONS_SHOWN = 40


@dataclass
class Tally:
    """Counts by row of the table and outcome, and every violation in words."""

    table: Counter = field(default_factory=Counter)
    violations: list[dict] = field(default_factory=list)

    def add(self, row: str, trial: list, outcome: str, wrong: Mapping[str, object] = {}) -> None:
        """Notes a trial; each key of `wrong` is a kind of violation."""
        self.table[row, outcome] += 1
        for kind in wrong:
            self.table[row, kind] += 1
        if wrong:
            self.violations.append({'trial': trial, **wrong})

    def merge(self, rows: Mapping[str, Mapping[str, int]], violations: list[dict]) -> None:
        """Adds what `as_json` of another holds."""
        for row, counts in rows.items():
            for outcome, count in counts.items():
                self.table[row, outcome] += count
        self.violations += violations

    def as_json(self) -> dict:
        """The table, a row to each fault or file, and the violations."""
        rows: dict[str, dict[str, int]] = {}
        for (row, outcome), count in sorted(self.table.items()):
            rows.setdefault(row, {})[outcome] = count
        return {'rows': rows, 'violations': self.violations}
