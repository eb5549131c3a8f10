"""What a task is to a run: its labels are the data's, its loss training's, its measures here."""

from cnn_jax.runs.tasks.judged import Judged, spread
from cnn_jax.runs.tasks.task import Task, task_of

__all__ = ['Judged', 'Task', 'spread', 'task_of']
