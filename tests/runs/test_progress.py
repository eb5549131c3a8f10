"""What a user sees while a grid of cells runs."""

import io

from rich.console import Console

from cnn_jax.runs.progress import Progress


def test_the_clock_runs_until_the_last_cell_is_judged():
    text = io.StringIO()
    progress = Progress(Console(file=text, force_terminal=True, width=100))
    key, events = ('max', 0), progress.events()
    with progress.running(total_steps=3, cells=1):
        events.tick(key, 3)
        (task,) = progress._bar.tasks
        assert not task.finished
        events.finished(key, {'status': 'diverged', 'message': 'at step 2'})
        assert task.finished
    assert '1 cells to run, 3 steps in all' in text.getvalue()
    assert '[1/1] max, seed 0: diverged: at step 2' in text.getvalue()
