"""What the README tells people to type works: its Python runs, its commands and files exist."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text()
ROWS = [line for line in README.splitlines() if line.startswith('| ')]
BLOCKS = re.findall(r'^```(\w+)\n(.*?)^```', README, flags=re.M | re.S)
COMMANDS = [
    line.strip()
    for language, block in BLOCKS
    if language in ('sh', 'bash', 'console')
    for line in block.splitlines()
    if line.strip() and not line.startswith('#')
]


def test_it_has_the_two_commands():
    assert 'make compare' in COMMANDS and 'make test' in COMMANDS


@pytest.mark.parametrize('block', [b for language, b in BLOCKS if language == 'python'])
def test_python_blocks_run(block):
    exec(compile(block, 'README.md', 'exec'), {})


@pytest.mark.parametrize('command', [c for c in COMMANDS if c.startswith('make ')])
def test_make_targets_exist(command):
    targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), flags=re.M)
    assert command.split()[1] in targets


@pytest.mark.parametrize('command', [c for c in COMMANDS if '-m experiments.' in c])
def test_experiments_parse_their_command_line(command, tmp_path):
    words = command.split()
    start = words.index('-m')
    words = [sys.executable, *words[start:], '--dry-run']
    words[words.index('--output') + 1] = str(tmp_path / 'out')
    words = [w.replace('fashion_mnist/', 'shapes/').replace('compare.py', 'tiny.py') for w in words]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('target', re.findall(r'\]\((?!http)([^)#]+)\)', README))
def test_linked_files_exist(target):
    assert (ROOT / target).exists()


def figure(values: dict) -> str:
    """A mean and half of its interval, in percent, as the README prints them."""
    half = (values['ci95'][1] - values['ci95'][0]) / 2
    return f'{100 * values["mean"]:.2f} ± {100 * half:.2f}'


@pytest.mark.parametrize('run', ['compare', 'convnet1', 'convnet1_tuned'])
def test_every_figure_is_from_a_run_in_the_repository(run):
    path = ROOT / 'experiments' / 'results' / run / 'summary.json'
    summary = json.loads(path.read_text())
    for name, strategy in summary['strategies'].items():
        row = next(r for r in ROWS if r.startswith(f'| {name} |') and f'| {run} |' in r)
        assert figure(strategy['accuracy']) in row and figure(strategy['consistency']) in row
