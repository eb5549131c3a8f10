"""Everything that README and docs tell users to type works: code runs, commands and files exist."""

import json
import re
import statistics
import sys
from pathlib import Path

import pytest

from cnn_jax.exits import exit_codes
from cnn_jax.ops import conv_forms
from cnn_jax.runs.command_line import load_config
from cnn_jax.runs.values import config_to_dict
from docs import tables
from experiments import bench_conv, compare_pooling

ROOT = Path(__file__).parents[1]
README = ROOT / 'README.md'
PAGES = [README, ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md'))]
ROWS = [line for line in README.read_text().splitlines() if line.startswith('| ')]


def blocks(*languages: str) -> list:
    """The code blocks of all pages in these languages."""
    return [
        pytest.param(block, id=f'{page.stem}-{number}')
        for page in PAGES
        for number, (language, block) in enumerate(
            re.findall(r'^```(\w+)\n(.*?)^```', page.read_text(), flags=re.M | re.S)
        )
        if language in languages
    ]


COMMANDS = sorted(
    {
        line.strip()
        for block in blocks('sh', 'bash', 'console')
        for line in block.values[0].splitlines()
        if line.strip() and not line.startswith('#')
    }
)


def test_it_is_short_and_has_the_two_commands():
    text = README.read_text()
    assert len(text.splitlines()) <= 150
    assert 'make compare\nmake test\n' in text


@pytest.mark.parametrize('block', blocks('python'))
def test_python_blocks_run(block):
    exec(compile(block, 'page', 'exec'), {})


@pytest.mark.parametrize('command', [c for c in COMMANDS if c.startswith('make ')])
def test_make_targets_exist(command):
    targets = re.findall(r'^([\w-]+):', (ROOT / 'Makefile').read_text(), flags=re.M)
    assert command.split()[1] in targets


@pytest.mark.parametrize('command', [c for c in COMMANDS if 'compare_pooling' in c])
def test_experiments_parse_their_command_line(command, tmp_path, monkeypatch, capsys):
    words = [*command.split(), '--dry-run']
    words = words[words.index('-m') + 1 :]
    words[words.index('--output') + 1] = str(tmp_path / 'out')
    words = [re.sub(r'fashion_mnist/\w+\.py', 'shapes/tiny.py', word) for word in words]
    drawn = re.search(r'configs/dense/(\w+)\.py', command)
    if drawn:
        words += ['--data', f'shapes_{drawn[1]}_tiny']  # drawn in no time
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, 'argv', words)
    with exit_codes():
        compare_pooling.main()
    assert json.loads(capsys.readouterr().out)['strategies'] and not (tmp_path / 'out').exists()


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.stem)
def test_linked_files_exist(page):
    for target in re.findall(r'\]\((?!http|#|_generated)([^)#]+)', page.read_text()):
        assert (page.parent / target).exists(), target


def figure(values: dict) -> str:
    """A mean and half of its interval, in percent, as the README prints them."""
    half = (values['ci95'][1] - values['ci95'][0]) / 2
    return f'{100 * values["mean"]:.2f} ± {100 * half:.2f}'


def test_every_figure_is_from_a_run_in_the_repository():
    path = ROOT / 'experiments' / 'results' / 'compare' / 'summary.json'
    summary = json.loads(path.read_text())
    for name, strategy in summary['strategies'].items():
        row = next(r for r in ROWS if r.startswith(f'| {name} |'))
        assert figure(strategy['accuracy']) in row and figure(strategy['consistency']) in row


def test_tables_are_made_for_what_was_measured_and_what_was_not(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, 'strategy_names', lambda: ('max', 'new'))
    monkeypatch.setattr(tables, '_response', lambda kind: f'[{kind.name}]')  # drawn by make docs
    tables.write_all(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(tables.TABLES)
    header, _, *rows = (tmp_path / 'all_strategies.md').read_text().splitlines()
    assert rows[0].startswith('| `max` | 86.32 |') and rows[1] == '| `new` | – | – | – | – |'
    for page in PAGES:
        for name in re.findall(r'include} _generated/(\w+)\.md', page.read_text()):
            assert name in tables.TABLES


def test_the_table_of_pytorch_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'torch_quick' / 'torch_quick.json'
    text = (ROOT / 'docs' / 'study.md').read_text()
    for row in json.loads(path.read_text())['table']:
        figures = (f'{100 * row[side]:.2f}' for side in ('ours', 'torch'))
        apart = f'{100 * row["difference"]:+.2f}', f'{row["standard_errors"]:+.2f}'
        assert f'| {" | ".join([row["strategy"], row["measure"], *figures, *apart])} |' in text
        assert abs(row['standard_errors']) < 2 and row['networks'] == [3, 3]


def test_the_table_of_convolutions_is_that_of_its_run():
    path = ROOT / 'experiments' / 'results' / 'bench_conv' / 'all.json'
    assert bench_conv.markdown(json.loads(path.read_text())) in (conv_forms.__doc__ or '')


def test_the_speed_record_is_that_of_its_log():
    path = ROOT / 'experiments' / 'results' / 'speedrun' / 'speedrun.json'
    log = json.loads(path.read_text())
    config = load_config(ROOT / 'configs' / 'fashion_mnist' / 'speedrun.py')
    today = json.loads(json.dumps(config_to_dict(config)))
    assert today['optimizer'].pop('decay_strategies') is False  # fields that the log is older than
    assert today['augment'].pop('cutout') == today.pop('margin') == 0
    for new in ('measures', 'hard_images'):
        del today['evaluation'][new]
    for new in ('learning_rates', 'same_within', 'looks'):
        del today[new]
    assert log['config'] == today
    seconds = [run['seconds'] for run in log['runs']]
    accuracy = 100 * statistics.mean(run['accuracy'] for run in log['runs'])
    assert len(seconds) == 10 and {run['split'] for run in log['runs']} == {'test'}
    said = ' '.join((ROOT / 'docs' / 'speed.md').read_text().split())
    assert (
        f'{statistics.median(seconds):.0f} s, the median of ten seeds ({min(seconds):.0f} to '
        f'{max(seconds):.0f}), mean accuracy {accuracy:.2f}%'
    ) in said
