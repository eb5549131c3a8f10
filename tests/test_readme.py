"""What the README tells people to type works: its Python runs, its commands and files exist."""

import itertools
import json
import re
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

from cnn_jax.models import model_names
from cnn_jax.modules import strategy_names
from cnn_jax.ops import conv_forms
from cnn_jax.runs.command_line import load_config
from cnn_jax.runs.config import config_to_dict
from experiments import bench_conv, bench_models, bench_sweep, bench_training
from experiments.benchmarks.table import markdown

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


@pytest.mark.parametrize('command', [c for c in COMMANDS if 'compare_pooling' in c])
def test_experiments_parse_their_command_line(command, tmp_path):
    words = command.split()
    start = words.index('-m')
    words = [sys.executable, *words[start:], '--dry-run']
    words[words.index('--output') + 1] = str(tmp_path / 'out')
    words = [re.sub(r'fashion_mnist/\w+\.py', 'shapes/tiny.py', word) for word in words]
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


def test_the_table_of_all_strategies_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'all_strategies' / 'summary.json'
    strategies = json.loads(path.read_text())['strategies']
    assert set(strategies) == set(strategy_names())
    for name, values in strategies.items():
        shares = [f'{100 * values[m]["mean"]:.2f}' for m in ('accuracy', 'consistency')]
        cost = [f'{values["parameters"]:,}', f'{values["flops_per_example"] / 1e6:.2f}']
        assert f'| {name} | all_strategies | {" | ".join(shares + cost)} |' in ROWS


@pytest.mark.parametrize('run', ['all', 'aps', 'default_allocator'])
def test_the_benchmark_tables_are_those_of_their_runs(run):
    path = ROOT / 'experiments' / 'results' / 'bench_ops' / f'{run}.json'
    assert markdown(json.loads(path.read_text())) in README


def test_the_table_of_training_steps_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'bench_training' / 'all.json'
    assert bench_training.markdown(json.loads(path.read_text())) in README


def test_the_table_of_convolutions_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'bench_conv' / 'all.json'
    assert bench_conv.markdown(json.loads(path.read_text())) in (conv_forms.__doc__ or '')


def test_the_tables_of_sweeps_are_those_of_their_run():
    path = ROOT / 'experiments' / 'results' / 'bench_sweep' / 'sweep.json'
    assert bench_sweep.markdown(json.loads(path.read_text())) in README


def test_the_speed_record_is_that_of_its_log():
    path = ROOT / 'experiments' / 'results' / 'speedrun' / 'speedrun.json'
    log = json.loads(path.read_text())
    config = load_config(ROOT / 'configs' / 'fashion_mnist' / 'speedrun.py')
    today = json.loads(json.dumps(config_to_dict(config)))
    assert today['optimizer'].pop('decay_strategies') is False  # a field that the log is older than
    assert log['config'] == today
    seconds = [run['seconds'] for run in log['runs']]
    accuracy = 100 * statistics.mean(run['accuracy'] for run in log['runs'])
    assert len(seconds) == 10 and {run['split'] for run in log['runs']} == {'test'}
    said = ' '.join(README.split())
    assert (
        f'{statistics.median(seconds):.0f} s, the median of ten seeds ({min(seconds):.0f} to '
        f'{max(seconds):.0f}), mean accuracy {accuracy:.2f}%'
    ) in said


def test_the_table_of_models_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'bench_models' / 'small_images.json'
    rows = json.loads(path.read_text())
    assert bench_models.markdown(rows) in README
    tried = {(row['model'], row['downsample']) for row in rows}
    assert tried == set(itertools.product(model_names(), ('max', 'max_blur', 'aps', 'blur')))
    assert all(row['loss_finite'] and row['compilations'] == 0 for row in rows)


def test_the_short_benchmark_table_is_that_of_the_long_ones():
    folder = ROOT / 'experiments' / 'results' / 'bench_ops'
    ratios = [
        {
            row['case']: row['ratio_to_torch']
            for row in json.loads((folder / f'{run}.json').read_text())
            if row['direction'] == 'forward+backward'
        }
        for run in ('all', 'default_allocator')
    ]
    header = next(row for row in ROWS if row.startswith('| op |'))
    shapes = [cell.strip() for cell in header.split('|')[2:5]]
    for name in ('max', 'max_3x3', 'avg', 'avg_3x3', 'blur3', 'blur5', 'max_blur3', 'max_blur5'):
        cells = [f'{run[f"{name} {shape}"]:.2f}' for run in ratios for shape in shapes]
        assert f'| {name} | {" | ".join(cells)} |' in ROWS
