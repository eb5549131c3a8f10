"""Part one: a fault at one file event of the program, then the same command again undisturbed."""

import json
import os
import random
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.torture.judge import REPORT, difference, torn, visible
from tests.torture.program import Outcome, comparison, complaints, in_child
from tests.torture.shim import FAULTS, TORN, WATCH, Fault, Shim


@dataclass(frozen=True)
class Scenario:
    """Where the program starts, and the file events that it then causes."""

    name: str
    base: Path | None
    events: list[str]


class Disturbance:
    """The undisturbed runs, and trials that are compared with them; all below one work folder."""

    def __init__(self, work: Path):
        self.shim, self.work = Shim(), work
        self.run, self._log, self._found = work / 'run', work / 'stderr', work / 'found.json'
        self.expected, events = self._undisturbed(None)
        self.finished = Path(shutil.copytree(self.run, work / 'finished'))
        again, _ = self._undisturbed(None)
        assert not any(difference(again, self.expected).values()), 'two runs differ: no reference'
        self.whole = visible(self.finished)
        self.scenarios = [Scenario('new run', None, events)]
        saved = [e for e in events if e.startswith('rename') and _is_checkpoint(e)]
        self._first(None, TORN, 0, event=saved[1])  # right after the second of three checkpoints
        self.partial = Path(shutil.copytree(self.run, work / 'partial'))
        stale = Path(shutil.copytree(self.finished, work / 'stale'))
        for name in self.whole:
            if name.startswith(REPORT):
                (stale / name).write_bytes(b'old')
        for base in (self.partial, stale):
            found, events = self._undisturbed(base)
            assert not any(difference(found, self.expected).values())
            name = 'resumed run' if base == self.partial else 'new report'
            self.scenarios.append(Scenario(name, base, events))

    def _place(self, base: Path | None) -> None:
        shutil.rmtree(self.run, ignore_errors=True)
        if base is not None:
            shutil.copytree(base, self.run)

    def _undisturbed(self, base: Path | None) -> tuple[dict, list[str]]:
        self._place(base)
        self.shim.arm(self.run, WATCH, 0)
        outcome, state = self._again()
        self.shim.disarm()
        assert outcome.code == 0, outcome.said
        return state, self.shim.events()

    def _again(self) -> tuple[Outcome, dict]:
        self._found.unlink(missing_ok=True)
        outcome = in_child(comparison(self.run, then=self._found), self._log)
        return outcome, json.loads(self._found.read_text()) if self._found.exists() else {}

    def _first(self, base: Path | None, fault: Fault, number: int, *, event: str = '') -> Outcome:
        self._place(base)
        self.shim.arm(self.run, fault, number, event=event)
        outcome = in_child(comparison(self.run), self._log)
        self.shim.disarm()
        return outcome

    def trial(self, scenario: Scenario, fault: Fault, number: int) -> tuple[list, str, dict]:
        """What was tried, how it ended, and what was violated."""
        first = self._first(scenario.base, fault, number)
        events, reached = self.shim.events(), self.shim.fired()
        event = events[number] if number < len(events) else ''
        trial = [scenario.name, fault.name, number, event, first.code]
        allowed = ((-signal.SIGKILL, 75) if fault.kills else (0, 2)) if reached else (0,)
        wrong: dict = dict.fromkeys(complaints(first, allowed), first.said[-1500:])
        old = {} if scenario.base is None else visible(scenario.base)
        if broken := torn(self.run, self.whole, old):
            wrong['torn'] = broken
        second, state = self._again()
        if complained := complaints(second, (0,)):
            wrong |= {f'{kind}, again': second.said[-1500:] for kind in complained}
        if second.code == 0:
            wrong |= {k: v for k, v in difference(state, self.expected).items() if v}
        ended = {0: 'absorbed', -signal.SIGKILL: 'killed'}.get(first.code, 'ended')
        return trial, ended if reached else 'not reached', wrong

    def plan(self, seed: int, part: int, parts: int) -> Iterator[tuple[Scenario, Fault, int]]:
        """This part's events of all scenarios in a random order, faults taking turns; then with
        the next fault each, until every fault has met every event."""
        every = [(s, n) for s in self.scenarios for n in range(len(s.events)) if n % parts == part]
        for turn in range(len(FAULTS)):
            order = list(enumerate(every))
            random.Random(seed + turn).shuffle(order)
            for place, (scenario, number) in order:
                yield scenario, FAULTS[(place + turn) % len(FAULTS)], number


def _is_checkpoint(event: str) -> bool:
    return os.path.basename(os.path.dirname(event)) == 'checkpoints' and event[-1].isdecimal()
