"""The comparison of compiled programs detects a wrong one, and resumes where it stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from experiments.benchmarks.compiled import compute, error, programs, steps

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, '-m', 'experiments.check_compiler', *arguments],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
    )


def test_the_known_fault_is_found_and_max_pooling_is_not(tmp_path):
    file = tmp_path / 'a.json'
    done = run('--json', str(file), '--only', 'strategy max', 'fault')
    assert done.returncode == 0, done.stderr
    fault, pooling = json.loads(file.read_text())['programs']
    assert (fault['program'], pooling['program']) == ('fault pattern', 'strategy max')
    assert fault['on'] > 0.5 and fault['off'] < 1e-6 and fault['on_beside_off'] > 0.5
    assert max(pooling['on'], pooling['off'], pooling['on_beside_off']) < 1e-6
    assert 'fault pattern (wrong)' in done.stdout and 'max (wrong)' not in done.stdout
    assert file.with_suffix('.md').read_text() == done.stdout
    again = run('--json', str(file), '--only', 'fault')
    assert again.stderr == '' and again.stdout == done.stdout
    values = json.loads(file.read_text())
    values['environment']['packages']['jaxlib'] = '0.0.1'
    file.write_text(json.dumps(values))
    other = run('--json', str(file), '--only', 'fault')
    assert other.returncode == 2 and 'made with other packages' in other.stderr


def test_bad_input(tmp_path):
    for words in (['--only', 'model lenet'], ['--json', str(tmp_path / 'a.md')]):
        done = run('--json', str(tmp_path / 'a.json'), *words)
        assert done.returncode == 2 and len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert not list(tmp_path.iterdir())


def test_every_published_step_is_a_program():
    assert {'step convnet1 max_blur5 adam 128', 'step convnet1 max adam 256'} <= set(steps())
    assert len(programs()) == len(set(programs())) > 100


def test_a_step_in_float64_is_that_in_float32_but_for_rounding():
    single, double = (compute('step convnet1 max adam 128', double=d) for d in (False, True))
    assert set(single) == {'logits', 'loss', 'statistics', 'parameters', 'count', 'mu', 'nu'}
    assert 0 < error(single, double) < 1e-2
    assert [a.shape for a in single['mu']] == [a.shape for a in single['parameters']]


def test_errors_are_relative_within_a_group():
    right = {'a': [np.array([1e3, 1e3]), np.array([1e-3])], 'b': [np.array([1e-3])]}
    small = {'a': [np.array([1e3, 1e3]), np.array([2e-3])], 'b': [np.array([1e-3])]}
    assert abs(error(small, right) - 1e-3) < 1e-9  # against a thousandth of 1e3
    assert error({**right, 'b': [np.array([2e-3])]}, right) == 1.0
    assert error({**right, 'b': [np.array([np.nan])]}, right) == float('inf')
    assert error({'a': [np.array([])]}, {'a': [np.array([])]}) == 0.0
