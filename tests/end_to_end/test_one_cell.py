"""Cells run one by one, by commands for a scheduler, equal those of a whole run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_jax.checksums import read_sealed
from cnn_jax.exits import exit_codes
from experiments import compare_pooling, run_cell
from tests.end_to_end.test_interruption import CONFIG, ROOT, fingerprint, leaves

OPTIONS = ('--strategies', 'max', '--seeds', '0', '5', '--epochs', '2')


RECIPES = re.findall(
    r'^```\{code-block\} bash\n(.*?)^```',
    (ROOT / 'docs' / 'cluster.md').read_text(encoding='utf-8'),
    flags=re.M | re.S,
)
NAMES = ('it\'s "$HOME" {} \\t %d', '-x')
NAMED = f"""
from cnn_jax.runs import Comparison, Evaluation
from cnn_jax.strategies import Avg, Max
names = {NAMES!r}
config = Comparison(
    strategies=dict(zip(names, (Max(), Avg()))),
    baseline=names[0],
    seeds=(0,),
    data='shapes_tiny',
    epochs=1,
    evaluation=Evaluation(max_shift=1, worst_case_images=4, maps=0, batch_size=64),
)
"""


def run(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def compare(folder: Path, *options: str) -> subprocess.CompletedProcess:
    return run('-m', 'experiments.compare_pooling', CONFIG, '--output', str(folder), *options)


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('whole')
    done = compare(folder, *OPTIONS, '--workers', '1')
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope='module')
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp('planned')
    done = compare(folder, *OPTIONS, '--engine', 'print')
    assert done.returncode == 0 and '2 cells to run' in done.stderr, done.stderr
    return folder, done.stdout.splitlines()


def test_printed_commands_run_at_once_give_the_same_files(whole: Path, planned):
    folder, lines = planned
    assert len(lines) == 2 and all('experiments.run_cell' in line for line in lines)
    assert not list(folder.glob('cells/*/result.json'))
    python = {'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    processes = [
        subprocess.Popen(shlex.split(line), cwd=ROOT, env={**os.environ, **python}, text=True)
        for line in lines
    ]
    assert [process.wait(300) for process in processes] == [0] * 2
    assert fingerprint(folder) == fingerprint(whole) and leaves(folder) == leaves(whole)
    assert read_sealed(folder / 'comparison.json') == read_sealed(whole / 'comparison.json')
    again = compare(folder, *OPTIONS, '--engine', 'print')
    assert again.stdout == '' and '0 cells to run' in again.stderr
    report = run('-m', 'experiments.report', str(folder))
    assert report.returncode == 0 and (folder / 'report.html').is_file(), report.stderr


def test_a_finished_cell_is_not_run_again(whole: Path):
    files = sorted(whole.glob('cells/*/result.json'))
    before = [file.stat().st_mtime_ns for file in files]
    words = ('-m', 'experiments.run_cell', CONFIG, '--output', str(whole), *OPTIONS)
    done = run(*words, '--cell', 'max:5')
    assert done.returncode == 0 and 'finished before' in done.stderr, done.stderr
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.parametrize(
    'words, said',
    [
        (('--cell', 'maxx:0'), "unknown strategy 'maxx': did you mean 'max'"),
        (('--cell', 'max:7'), 'seed 7 is none of the comparison: it has 0, 5.'),
        (('--cell', 'max'), "--cell must be STRATEGY:SEED, such as 'max:0'; got 'max'"),
        ((), 'give the cell: --cell STRATEGY:SEED'),
        (('--cell', 'max:0', '--epochs', '3'), 'holds a run with another config: epochs'),
    ],
)
def test_what_is_refused(whole: Path, words, said, monkeypatch, capsys):
    given = [str(ROOT / CONFIG), '--output', str(whole), *OPTIONS, *words]
    monkeypatch.setattr(sys, 'argv', ['run_cell', *given])
    with pytest.raises(SystemExit) as end, exit_codes():
        run_cell.main()
    assert end.value.code == 2 and said in capsys.readouterr().err


@pytest.mark.parametrize(
    'words, name',
    [
        (('--workers', '2'), '--workers'),
        (('--together=2',), '--together'),
        (('--dry-run',), '--dry-run'),
        (('--explain',), '--explain'),
        (('--profile', 'traces'), '--profile'),
        (('--engine', 'local'), '--engine'),
        (('--engine=print',), '--engine'),
        (('--until-decided',), '--until-decided'),
        (('--max-seeds', '9'), '--max-seeds'),
        (('--minutes', '9'), '--minutes'),
    ],
)
def test_what_belongs_to_a_comparison_is_refused(words, name, tmp_path, monkeypatch, capsys):
    given = [str(ROOT / CONFIG), '--output', str(tmp_path / 'out'), '--cell', 'max:0', *words]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['run_cell', *given])
    with pytest.raises(SystemExit) as end, exit_codes():
        run_cell.main()
    said = capsys.readouterr().err
    assert end.value.code == 2 and f'error: {name} belongs to python -m experiments.comp' in said
    assert not list(tmp_path.iterdir())


def printed(words, monkeypatch, capsys) -> list[str]:
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', *words])
    with exit_codes():
        compare_pooling.main()
    out: str = capsys.readouterr().out
    assert out == '' or out.endswith('\n')
    return out.splitlines()


@pytest.fixture
def named(tmp_path, monkeypatch, capsys) -> tuple[list[str], list[str]]:
    """A command line whose every name needs quoting, and what it printed to runs/cells.txt."""
    (tmp_path / "my config's.py").write_text(NAMED)
    monkeypatch.chdir(tmp_path)
    words = ["my config's.py", "--output=runs/my run's $HOME", '--title', 'a  "b" \\ $(c)']
    words += ['--engine=print', '--workers', '2', '--together=1', '--epochs', '1']
    lines = printed(words, monkeypatch, capsys)
    (tmp_path / 'runs' / 'cells.txt').write_text(''.join(f'{line}\n' for line in lines))
    return words, lines


def recipe_of(word: str) -> str:
    (found,) = [recipe for recipe in RECIPES if word in recipe]
    return found


def test_printed_commands_hold_all_names_and_only_what_a_cell_needs(named):
    start = ['python', '-m', 'experiments.run_cell', "my config's.py"]
    start += ['--output', "runs/my run's $HOME", '--title', 'a  "b" \\ $(c)', '--epochs', '1']
    assert list(map(shlex.split, named[1])) == [[*start, f'--cell={name}:0'] for name in NAMES]


def test_the_recipe_of_a_machine_runs_cells_of_any_name(named, monkeypatch, capsys):
    words, _ = named
    paths = {'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    paths |= {'PYTHONPATH': str(ROOT)}
    command = ['sh', '-c', recipe_of('xargs')]
    subprocess.run(command, env={**os.environ, **paths}, check=True, timeout=600)
    index = read_sealed(Path("runs/my run's $HOME/comparison.json"))
    assert [cell['strategy'] for cell in index['cells']] == list(NAMES)
    assert len(list(Path("runs/my run's $HOME").glob('cells/*/result.json'))) == 2
    assert printed(words, monkeypatch, capsys) == []
    Path('runs/cells.txt').write_text('')
    subprocess.run(command, check=True)  # nothing to do


def test_the_recipe_of_slurm_becomes_the_command_of_its_line(named, tmp_path, monkeypatch):
    _, lines = named
    stub = tmp_path / 'bin' / 'python'
    stub.parent.mkdir()
    stub.write_text(
        f'#!{sys.executable} -S\n'
        'import json, os, sys\n'
        'print(json.dumps([os.getpid(), sys.argv[1:]]))\n'
    )
    stub.chmod(0o755)
    monkeypatch.setenv('PATH', f'{stub.parent}{os.pathsep}{os.environ["PATH"]}')
    for number, line in enumerate(lines, start=1):
        task = {**os.environ, 'SLURM_ARRAY_TASK_ID': str(number)}
        job = subprocess.Popen(
            ['bash', '-c', recipe_of('#SBATCH')], env=task, stdout=subprocess.PIPE, text=True
        )
        said, _ = job.communicate(timeout=60)
        assert json.loads(said) == [job.pid, shlex.split(line)[1:]]  # so it hears the signals


def test_a_folder_that_no_line_can_hold_is_refused_before_anything_is_written(
    tmp_path, monkeypatch, capsys
):
    folder = tmp_path / 'a\nb'
    words = [str(ROOT / CONFIG), '--output', str(folder), '--engine', 'print']
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', *words])
    with pytest.raises(SystemExit) as end, exit_codes():
        compare_pooling.main()
    assert end.value.code == 2 and 'must be one line; got ' in capsys.readouterr().err
    assert not folder.exists()


@pytest.mark.parametrize(
    'words, said',
    [
        (('--cell', 'max:0'), '--cell belongs to python -m experiments.run_cell'),
        (('--engine', 'print', '--until-decided'), 'leave out --engine'),
    ],
)
def test_what_a_comparison_refuses(words, said, tmp_path, monkeypatch, capsys):
    given = [str(ROOT / CONFIG), '--output', str(tmp_path / 'none'), *words]
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', *given])
    with pytest.raises(SystemExit) as end, exit_codes():
        compare_pooling.main()
    assert end.value.code == 2 and said in capsys.readouterr().err
