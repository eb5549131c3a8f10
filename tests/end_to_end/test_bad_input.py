"""Bad input ends with exit code 2, one or two lines on stderr, and nothing written."""

import json
import sys
from pathlib import Path

import pytest

from cnn_jax.exits import exit_codes
from experiments import compare_pooling

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / 'configs' / 'shapes' / 'tiny.py')

CONFIG = """
from cnn_jax.modules import Blur, Max, strategy_named
from cnn_jax.runs import Comparison
from cnn_jax.training import Optimizer
config = Comparison(strategies={{'max': Max()}}, data='shapes_tiny', {})
"""


def run(arguments, monkeypatch, capsys) -> tuple[object, str]:
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', *map(str, arguments)])
    with pytest.raises(SystemExit) as end, exit_codes():
        compare_pooling.main()
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['--epoch', '3'], '--epochs'),
        (['--epochs', 'three'], 'three'),
        (['--epochs', '0'], 'epochs must be an int of at least 1; got 0'),
        (['--epochs', '-2'], 'epochs'),
        (['--batch-size', '0'], 'batch_size must be an int of at least 1'),
        (['--batch-size', '100000'], 'batch_size 100000 is larger than the'),
        (['--seeds'], 'seeds must be a tuple of at least one number'),
        (['--seeds', '0', '4294967296'], 'seeds must be below'),
        (['--strategies'], '--strategies needs at least one name'),
        (['--strategies', 'max', 'max'], '--strategies must differ'),
        (['--cores', '1000'], 'cores must be at most'),
        (['--validation-fraction', '0.001'], 'both need at least one'),
        (['--seeds', '-1'], 'seeds'),
        (['--strategies', 'maxx'], "did you mean 'max'"),
        (['--baseline', 'maxx'], "did you mean 'max'"),
        (['--data', 'shapess'], 'did you mean'),
        (['--optimizer.name', 'adamm'], "did you mean 'adam'"),
        (['--optimizer.nam', 'adam'], '--optimizer.name'),
        (['--model', 'convnet'], "did you mean 'convnet1'"),
        (['--workers', '0'], '--workers must be at least 1'),
        (['--evaluation.max-shift', '0'], 'max_shift must be an int of at least 1'),
    ],
)
def test_options(arguments, said, tmp_path, monkeypatch, capsys):
    output = tmp_path / 'out'
    code, err = run([TINY, '--output', output, *arguments], monkeypatch, capsys)
    lines = err.strip().splitlines()
    assert code == 2 and said in err and len(lines) <= 2, err
    assert not output.exists()


@pytest.mark.parametrize(
    'fields, said',
    [
        ('epoch=3', "did you mean 'epochs'"),
        ("optimizer=Optimizer(nam='adam')", "did you mean 'name'"),
        ("optimizer=Optimizer(name='adamm')", "did you mean 'adam'"),
        ("baseline='avg'", "unknown baseline 'avg'"),
        ('title=Blur(filter_size=0)', 'filter_size must be an int from 1 to 7; got 0'),
        ('title=Blur(filter_size=8)', 'filter_size must be an int from 1 to 7; got 8'),
        ("title=strategy_named('blurr')", "did you mean 'blur'"),
        ("model='convnet1', epochs='3'", "epochs must be an int of at least 1; got '3'"),
        ('seeds=(0,) + 3', 'can only concatenate tuple'),
        ('epochs=1/0', 'ZeroDivisionError'),
    ],
)
def test_config_files(fields, said, tmp_path, monkeypatch, capsys, unchecked):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format(fields))
    code, err = run([path, '--output', tmp_path / 'out'], monkeypatch, capsys)
    assert code == 2 and len(err.strip().splitlines()) <= 2, err
    assert said in err, err
    assert not (tmp_path / 'out').exists()


def test_a_window_larger_than_the_map_names_layer_and_sizes(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'config.py'
    path.write_text(CONFIG.format('epochs=1').replace('Max()', 'Max(window=20)'))
    code, err = run([path, '--output', tmp_path / 'out'], monkeypatch, capsys)
    assert code == 2 and 'pool2' in err and 'larger than the feature map' in err
    assert not (tmp_path / 'out').exists()


def test_a_missing_config(tmp_path, monkeypatch, capsys):
    code, err = run([tmp_path / 'no.py', '--output', tmp_path / 'out'], monkeypatch, capsys)
    assert code == 2 and 'no config file' in err


def test_an_output_that_is_a_file(tmp_path, monkeypatch, capsys):
    (tmp_path / 'file').write_text('mine')
    code, err = run([TINY, '--output', tmp_path / 'file'], monkeypatch, capsys)
    assert code == 2 and 'is a file, not a folder' in err
    assert (tmp_path / 'file').read_text() == 'mine'


def test_a_folder_with_another_config_is_left_alone_and_the_difference_shown(
    tmp_path, monkeypatch, capsys
):
    from cnn_jax.runs.command_line import load_config
    from cnn_jax.runs.config import config_to_dict

    old = {'config': config_to_dict(load_config(Path(TINY))), 'cells': []}
    (tmp_path / 'comparison.json').write_text(json.dumps(old))
    code, err = run([TINY, '--output', tmp_path, '--epochs', '5'], monkeypatch, capsys)
    assert code == 2 and 'epochs: 3 -> 5' in err and '--extend' not in err
    code, err = run([TINY, '--output', tmp_path, '--seeds', '0', '1', '2'], monkeypatch, capsys)
    assert code == 2 and 'seeds: [0, 1] -> [0, 1, 2]' in err and '--extend' in err
    assert json.loads((tmp_path / 'comparison.json').read_text()) == old
    assert [p.name for p in tmp_path.iterdir()] == ['comparison.json']


def test_dry_run_prints_the_resolved_config_and_writes_nothing(tmp_path, monkeypatch, capsys):
    output = tmp_path / 'out'
    arguments = [TINY, '--output', str(output), '--dry-run', '--epochs', '9', '--strategies', 'avg']
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', *arguments])
    compare_pooling.main()
    printed = json.loads(capsys.readouterr().out)
    assert printed['epochs'] == 9 and list(printed['strategies']) == ['avg']
    assert printed['baseline'] == 'avg' and not output.exists()
