"""Cells run one by one, by commands for a scheduler, equal those of a whole run."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_jax.checksums import read_sealed
from tests.end_to_end.test_interruption import CONFIG, ROOT, fingerprint, leaves

OPTIONS = ('--strategies', 'max', 'max_blur3', '--seeds', '0', '5', '--epochs', '2')


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
    done = compare(folder, *OPTIONS)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope='module')
def planned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp('planned')
    done = compare(folder, *OPTIONS, '--engine', 'print')
    assert done.returncode == 0 and '4 cells to run' in done.stderr, done.stderr
    return folder, done.stdout.splitlines()


def test_printed_commands_run_at_once_give_the_same_files(whole: Path, planned):
    folder, lines = planned
    assert len(lines) == 4 and all('experiments.run_cell' in line for line in lines)
    assert not list(folder.glob('cells/*/result.json'))
    python = {'PATH': f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'}
    processes = [
        subprocess.Popen(shlex.split(line), cwd=ROOT, env={**os.environ, **python}, text=True)
        for line in lines
    ]
    assert [process.wait(300) for process in processes] == [0] * 4
    assert fingerprint(folder) == fingerprint(whole) and leaves(folder) == leaves(whole)
    assert read_sealed(folder / 'comparison.json') == read_sealed(whole / 'comparison.json')
    again = compare(folder, *OPTIONS, '--engine', 'print')
    assert again.stdout.strip() == '' and '0 cells to run' in again.stderr
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
def test_what_is_refused(whole: Path, words, said):
    done = run('-m', 'experiments.run_cell', CONFIG, '--output', str(whole), *OPTIONS, *words)
    assert done.returncode == 2 and said in done.stderr and 'Traceback' not in done.stderr


def test_what_a_comparison_refuses(tmp_path: Path):
    for words, said in (
        (('--cell', 'max:0'), '--cell belongs to python -m experiments.run_cell'),
        (('--engine', 'print', '--until-decided'), 'leave out --engine'),
    ):
        done = compare(tmp_path / 'none', *words)
        assert done.returncode == 2 and said in done.stderr
