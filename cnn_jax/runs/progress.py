"""A progress bar for the whole grid on a terminal, else one line per minute; on stderr."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console

from cnn_jax.runs.config import CellKey
from cnn_jax.runs.parallel import Events

_EVERY = 60.0  # seconds between lines where there is no bar


class Progress:
    """Shows the progress of a grid of cells, by default on stderr."""

    def __init__(self, console: Console | None = None, *, say_done: bool = True):
        self._say_done = say_done
        self._console = console = console or Console(stderr=True)
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn('{task.description}'),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TextColumn('steps'),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TextColumn('left'),
            rich_progress.TimeRemainingColumn(elapsed_when_finished=False),
            console=console,
            disable=not console.is_terminal,
        )
        self._task: rich_progress.TaskID | None = None
        self._done = self._cells = self._steps = self._total = 0
        self._begun = self._said = 0.0

    def line(self, text: str) -> None:
        """Prints one line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def already_done(self, key: CellKey) -> None:
        """Prints that a cell of an earlier run is not run again."""
        if self._say_done:
            self.line(f'{_title(key)}: finished before, not run again')

    @contextmanager
    def running(self, *, total_steps: int, cells: int) -> Iterator[None]:
        """Shows the bar while the grid runs."""
        self._cells, self._total = cells, total_steps
        self._done = self._steps = 0
        self._begun = self._said = time.monotonic()
        cells_to_run = '1 cell' if cells == 1 else f'{cells} cells'
        self.line(f'{cells_to_run} to run, {total_steps:,} steps in all; the first step compiles')
        with self._bar:  # a cell's evaluation counts as one more step, so that the clock runs on
            self._task = self._bar.add_task('compiling', total=total_steps + cells)
            yield

    def events(self) -> Events:
        """The callbacks for `run_cells`."""
        return Events(tick=self._tick, log=self.line, finished=self._finished)

    def _tick(self, key: CellKey, steps: int) -> None:
        self._steps += steps
        if self._task is not None:
            waits = 'compiling' if self._steps == 0 else 'evaluating'
            doing = 'training' if 0 < self._steps < self._total else waits
            self._bar.update(self._task, advance=steps, description=doing)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._said >= _EVERY:
            self._said = now
            minutes = (now - self._begun) / 60
            left = minutes * (self._total / max(self._steps, 1) - 1)
            self.line(
                f'{self._steps / max(self._total, 1):.0%} of the steps after {minutes:.0f} min, '
                f'about {max(left, 0):.0f} min left ({_title(key)})'
            )

    def _finished(self, key: CellKey, result: dict) -> None:
        self._done += 1
        if self._task is not None:
            self._bar.update(self._task, advance=1)
        if result['status'] == 'completed':
            figures = (
                f'accuracy {result["accuracy"]:.2%}, consistency {result["consistency"]:.2%}, '
                f'{result["seconds"] or 0:.0f} s'
            )
        else:
            figures = f'{result["status"]}: {result.get("message", "")}'
        self.line(f'[{self._done}/{self._cells}] {_title(key)}: {figures}')


def _title(key: CellKey) -> str:
    return f'{key[0]}, seed {key[1]}'
