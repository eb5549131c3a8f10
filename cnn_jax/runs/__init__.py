"""Everything that touches the disk: configs, run folders, checkpoints, logs, worker processes."""

from cnn_jax.runs.config import Cell, Comparison, Recipe
from cnn_jax.runs.judging import Evaluation
from cnn_jax.runs.study_config import Study

__all__ = ['Cell', 'Comparison', 'Evaluation', 'Recipe', 'Study']
