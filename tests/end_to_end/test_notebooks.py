"""Every notebook runs from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / 'experiments' / 'notebooks').glob('*.ipynb'))


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, kernel_name='python3').execute()
    pictures = [
        output
        for cell in notebook.cells
        for output in cell.get('outputs', [])
        if 'image/png' in output.get('data', {})
    ]
    assert pictures
    if path.stem == 'why_pooling_aliases':
        _check_changes(notebook.cells[-2].outputs)


def _check_changes(outputs):
    """Under circular shifts APS leaves the logits alone; a blur only helps."""
    text = ''.join(output['text'] for output in outputs if output['output_type'] == 'stream')
    words = [line.split() for line in text.splitlines()]
    changes = {line[0]: float(line[-1]) for line in words}
    assert changes['aps'] < 0.0005 < 0.02 < changes['max_blur3'] < 0.045 < changes['max'] < 0.09


def test_there_is_a_notebook():
    assert NOTEBOOKS
