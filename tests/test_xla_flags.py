"""Every process of the project sets XLA's flag, and keeps the user's own flags."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from cnn_jax import xla_flags
from cnn_jax.errors import BadInput
from cnn_jax.files import read_json
from cnn_jax.xla_flags import FLAG, NAME, set_xla_flags, with_flag, xla_complaint

ROOT = Path(__file__).parents[1]
EXPERIMENTS = [
    path
    for path in sorted((ROOT / 'experiments').glob('*.py'))
    if "__name__ == '__main__'" in path.read_text()
]


def python(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def test_what_the_user_set_is_kept(monkeypatch):
    monkeypatch.setattr(xla_flags, 'jax_has_started', lambda: False)
    for given, expected in {
        '': FLAG,
        ' ': FLAG,
        '--xla_dump_to= ': f'--xla_dump_to= {FLAG}',
        f'--{NAME}=dot': f'--{NAME}=dot',
        f'--xla_dump_to= --{NAME}=': f'--xla_dump_to= --{NAME}=',
    }.items():
        monkeypatch.setenv('XLA_FLAGS', given)
        set_xla_flags()
        assert os.environ['XLA_FLAGS'] == expected
    monkeypatch.delenv('XLA_FLAGS')
    set_xla_flags()
    assert os.environ['XLA_FLAGS'] == FLAG


def test_a_file_of_flags_is_read(tmp_path):
    file = tmp_path / 'flags'
    file.write_text('--xla_dump_to=\n--xla_cpu_enable_fast_math=false\n')
    flags = with_flag(str(file))
    assert flags.split() == ['--xla_dump_to=', '--xla_cpu_enable_fast_math=false', FLAG]
    assert xla_complaint(str(file)) is None and xla_complaint(flags) is None
    file.write_text(f'{FLAG}\n')
    assert with_flag(str(file)) == str(file)
    file.write_bytes(b'\xff')
    for name in (file, tmp_path / 'no'):
        with pytest.raises(BadInput, match='XLA_FLAGS names the file .* cannot be read'):
            with_flag(str(name))


def test_a_jaxlib_without_the_flag_is_left_alone(monkeypatch):
    monkeypatch.setenv('XLA_FLAGS', '')
    monkeypatch.setattr(xla_flags, '_KNOWN', ((0, 1), (0, 2)))
    monkeypatch.setattr(xla_flags, 'jax_has_started', lambda: False)
    monkeypatch.setattr(xla_flags, 'xla_complaint', lambda given: f'Unknown flag: {given}')
    set_xla_flags()
    assert os.environ['XLA_FLAGS'] == ''
    monkeypatch.undo()
    monkeypatch.setenv('XLA_FLAGS', '')
    monkeypatch.setattr(xla_flags, '_KNOWN', ((0, 1), (0, 2)))
    monkeypatch.setattr(xla_flags, 'jax_has_started', lambda: False)
    set_xla_flags()  # tried, and this one has it
    assert os.environ['XLA_FLAGS'] == FLAG


def test_it_is_too_late_after_the_first_computation():
    code = 'import jax; jax.devices(); from cnn_jax.xla_flags import set_xla_flags as s; s()'
    done = python('-c', code, XLA_FLAGS='')
    assert done.returncode == 1
    assert f'JAX has computed in this process without XLA_FLAGS={FLAG}' in done.stderr
    assert python('-c', code, XLA_FLAGS=FLAG).returncode == 0


@pytest.mark.parametrize(
    'given, said',
    [
        ('--xla_nonsense=1', 'Unknown flag in XLA_FLAGS: --xla_nonsense=1'),
        ('--xla_a --xla_b=2', 'Unknown flags in XLA_FLAGS: --xla_a --xla_b=2'),
        (f'{FLAG} --xla_a', 'Unknown flag in XLA_FLAGS: --xla_a'),
        ('--xla_cpu_enable_fast_math=maybe', 'value maybe for flag xla_cpu_enable_fast_math'),
        (f'--{NAME}=nonsense', f'Illegal value for --{NAME}'),
        ('nowhere', 'Could not open file "nowhere"'),
    ],
)
def test_flags_that_xla_refuses_are_one_line(given, said, tmp_path):
    words = ['configs/shapes/tiny.py', '--output', str(tmp_path / 'out'), '--dry-run']
    done = python('-m', 'experiments.compare_pooling', *words, XLA_FLAGS=given)
    assert done.returncode == 2 and done.stdout == ''
    assert len(done.stderr.strip().splitlines()) == 1 and said in done.stderr


def test_flags_that_xla_takes_are_no_complaint():
    assert xla_complaint('--xla_cpu_enable_fast_math=false') is None
    assert xla_complaint(FLAG) is None


def test_what_cannot_be_tried_is_no_complaint(monkeypatch):
    monkeypatch.setattr(sys, 'executable', '/nowhere/python')
    assert xla_complaint('--xla_nonsense=1') is None


@pytest.mark.parametrize('path', EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_starts_with_it(path):
    """`exit_codes` sets the flag before anything else is imported that could start JAX."""
    text = path.read_text()
    assert re.search(r"if __name__ == '__main__':\n    with exit_codes\(", text)
    if 'flags=False' in text:
        assert path.stem == 'doctor'


def test_experiments_pass_it_on_to_their_processes():
    code = (
        'from cnn_jax.exits import exit_codes\n'
        'with exit_codes():\n'
        '    import os\n'
        '    from experiments.benchmarks.timing import library_process\n'
        '    with library_process("default", 1) as process:\n'
        '        print(process.submit(os.getenv, "XLA_FLAGS").result())\n'
    )
    assert python('-c', code, XLA_FLAGS='').stdout.strip() == FLAG


def test_a_run_has_it_and_records_it(tmp_path):
    words = ['--strategies', 'max', '--seeds', '0', '--epochs', '1', '--workers', '1']
    done = python(
        *('-m', 'experiments.compare_pooling', 'configs/shapes/tiny.py'),
        *('--output', str(tmp_path), *words),
        XLA_FLAGS='--xla_cpu_enable_fast_math=false',
    )
    assert done.returncode == 0, done.stderr
    found = [read_json(path) for path in tmp_path.rglob('environment.json')]
    assert len(found) == 1
    assert found[0]['flags']['XLA_FLAGS'] == f'--xla_cpu_enable_fast_math=false {FLAG}'


def test_tests_and_notebooks_have_it():
    assert os.environ['XLA_FLAGS'].split()[-1] == FLAG
    cell = nbformat.v4.new_code_cell('import os; print(os.environ["XLA_FLAGS"])')
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, timeout=60, kernel_name='python3').execute()
    assert FLAG in notebook.cells[0].outputs[0]['text']
