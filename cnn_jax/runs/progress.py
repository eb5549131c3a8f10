"""A bar for the whole grid on a terminal, one line per finished cell everywhere; all on stderr."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich import progress as rich_progress
from rich.console import Console

from cnn_jax.runs.pool import CellKey, Events


class Progress:
    """Shows what a grid of cells does."""

    def __init__(self, console: Console):
        self._console = console
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
        self._done = self._cells = 0

    def line(self, text: str) -> None:
        """Prints one line above the bar."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def already_done(self, key: CellKey) -> None:
        """Says that a cell of an earlier run is not run again."""
        self.line(f'{_title(key)}: finished before, not run again')

    @contextmanager
    def running(self, *, total_steps: int, cells: int) -> Iterator[None]:
        """Shows the bar while the grid runs."""
        self._cells = cells
        self.line(f'{cells} cells to run, {total_steps:,} steps in all')
        with self._bar:  # the evaluation of a cell counts as one more step, so that the clock runs
            self._task = self._bar.add_task('training, evaluating', total=total_steps + cells)
            yield

    def events(self) -> Events:
        """What `run_cells` tells."""
        return Events(tick=self._tick, log=self.line, finished=self._finished)

    def _tick(self, key: CellKey, steps: int) -> None:
        if self._task is not None:
            self._bar.update(self._task, advance=steps)

    def _finished(self, key: CellKey, result: dict) -> None:
        self._done += 1
        self._tick(key, 1)
        if result['status'] == 'completed':
            figures = (
                f'accuracy {result["accuracy"]:.4f}, consistency {result["consistency"]:.4f}, '
                f'{result["seconds"] or 0:.0f} s'
            )
        else:
            figures = f'{result["status"]}: {result.get("message", "")}'
        self.line(f'[{self._done}/{self._cells}] {_title(key)}: {figures}')


def _title(key: CellKey) -> str:
    return f'{key[0]}, seed {key[1]}'
