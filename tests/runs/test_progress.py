"""What a user sees while a grid of cells runs."""

import io

import pytest
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
    assert '1 cell to run, 3 steps in all' in text.getvalue()
    assert '[1/1] max, seed 0: diverged: at step 2' in text.getvalue()


def test_the_bar_says_what_is_going_on():
    progress = Progress(Console(file=io.StringIO(), force_terminal=True, width=100))
    key, events, seen = ('max', 0), progress.events(), []
    with progress.running(total_steps=4, cells=1):
        for steps in (0, 2, 2):
            seen.append(progress._bar.tasks[0].description)
            events.tick(key, steps)
        seen.append(progress._bar.tasks[0].description)
    assert seen == ['compiling', 'compiling', 'training', 'evaluating']


def test_a_log_shows_life_once_a_minute(monkeypatch):
    from cnn_jax.runs import progress as module

    text, now = io.StringIO(), [0.0]
    monkeypatch.setattr(module.time, 'monotonic', lambda: now[0])
    progress = Progress(Console(file=text, width=200))
    events = progress.events()
    with progress.running(total_steps=100, cells=1):
        for _ in range(25):
            now[0] += 10
            events.tick(('max', 0), 2)
    lines = text.getvalue().splitlines()[1:]
    assert [line.split(' of')[0] for line in lines] == ['12%', '24%', '36%', '48%']
    assert lines[0] == '12% of the steps after 1 min, about 7 min left (max, seed 0)'


@pytest.mark.parametrize('status', ['completed', 'failed'])
def test_figures_are_in_percent(status):
    text = io.StringIO()
    progress = Progress(Console(file=text, width=200))
    result = {'status': status, 'accuracy': 0.956, 'consistency': 0.5, 'seconds': 3.2}
    with progress.running(total_steps=1, cells=1):
        progress.events().finished(('max', 0), {**result, 'message': 'why'})
    said = 'accuracy 95.60%, consistency 50.00%, 3 s' if status == 'completed' else 'failed: why'
    assert f'[1/1] max, seed 0: {said}' in text.getvalue()
