"""Reports: finished runs in, statistics, tables, plots and pages out. Imports nothing of jax.

>>> from pathlib import Path
>>> write_report(Path('no_such_folder'))  # doctest: +ELLIPSIS
Traceback (most recent call last):
cnn_jax.errors.BadInput: no comparison.json in no_such_folder: give the output folder of ...
"""

from cnn_jax.reports.curves import plot_learning_curves
from cnn_jax.reports.exports import export
from cnn_jax.reports.plots import plot_accuracy_consistency, plot_cost, plot_differences
from cnn_jax.reports.run import CellResult, Run, ShiftMaps, read_run, read_shift_maps
from cnn_jax.reports.summary import summarize_run
from cnn_jax.reports.table import print_table
from cnn_jax.reports.write import undecided, write_report, write_study_report

__all__ = [
    'CellResult',
    'Run',
    'ShiftMaps',
    'export',
    'plot_accuracy_consistency',
    'plot_cost',
    'plot_differences',
    'plot_learning_curves',
    'print_table',
    'read_run',
    'read_shift_maps',
    'summarize_run',
    'undecided',
    'write_report',
    'write_study_report',
]
