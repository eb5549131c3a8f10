"""Bad input ends with exit code 2, one or two lines on stderr, and nothing written."""

import json
import sys
from pathlib import Path

import pytest

from cnn_jax.exits import exit_codes
from experiments import compare_pooling, report

ROOT = Path(__file__).parents[2]
TINY = str(ROOT / 'configs' / 'shapes' / 'tiny.py')

CONFIG = """
from cnn_jax.strategies import Blur, Max, strategy_named
from cnn_jax.runs import Comparison
from cnn_jax.training import Optimizer
class Mute(Exception):
    __str__ = None
def stop(error, *said): raise error(*said)
fields = {{'strategies': {{'max': Max()}}, 'data': 'shapes_tiny'}}
config = Comparison(**fields | dict({}))
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
        (['--model', 'convnett1'], "did you mean 'convnet1'"),
        (['--workers', '0'], '--workers must be at least 1'),
        (['--evaluation.max-shift', '0'], 'max_shift must be an int of at least 1'),
        (['--augment.crop', '28'], 'augment.crop 28 must be below the image side 28'),
        (['--augment.crop', '100000000000'], 'augment.crop 100000000000 must be below'),
        (['--evaluation.batch-size', '3000000'], 'evaluation.batch_size must be at most 250'),
        (['--evaluation.batch-size', '1000000000000'], 'enough for the 64 test images'),
        (['--epochs', '1000000000000'], 'more than 2**31 - 1 steps'),
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
        ('epochs=1/0', 'config.py, line 9: ZeroDivisionError: division by zero'),
        ('epochs=stop(GeneratorExit)', 'GeneratorExit'),
        ('epochs=stop(BaseException, "a\\nb\\nc")', 'BaseException: a b c'),
        ('epochs=stop(SystemExit, 0)', 'SystemExit: 0'),
        ('epochs=stop(Mute)', 'Mute: it cannot be printed'),
        (
            "data=b'shapes'",
            'data must be a name, a folder, or a function that returns a Dataset; got bytes',
        ),
        ("title=b'shapes'", 'title must be text'),
        ("title='\\udcff'", 'title must be text that UTF-8 can hold'),
        ("image_size=b'ab'", 'image_size must be None or (height, width)'),
        ("model=b'convnet1'", 'unknown model'),
        ("precision=['float32']", 'unknown precision'),
        ("data='x' * 5000", 'xxxx'),
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


def test_a_config_that_is_no_text(tmp_path, monkeypatch, capsys):
    path = tmp_path / 'config.py'
    for content in (b'config = "\xff"', b'config = 1\0', b'', b'config = 1 +'):
        path.write_bytes(content)
        code, err = run([path, '--output', tmp_path / 'out'], monkeypatch, capsys)
        assert code == 2 and len(err.strip().splitlines()) <= 2 and 'config.py' in err, err


@pytest.mark.parametrize('name', ['x' * 5000, 'x/' * 3000])
def test_a_path_that_the_system_cannot_hold(name, tmp_path, monkeypatch, capsys):
    for arguments in (
        [name, '--output', tmp_path / 'out'],
        [TINY, '--output', tmp_path / name],
        [TINY, '--output', tmp_path / 'out', '--data', name],
        [TINY, '--output', tmp_path / 'out', '--profile', tmp_path / name],
    ):
        code, err = run(arguments, monkeypatch, capsys)
        assert code == 2 and len(err.strip().splitlines()) <= 2, err
    assert not (tmp_path / 'out').exists()


def test_a_module_beside_the_config_can_be_imported(tmp_path, monkeypatch, capsys):
    (tmp_path / 'beside_the_config.py').write_text('epochs = 7\n')
    path = tmp_path / 'config.py'
    path.write_text('from beside_the_config import epochs\n' + CONFIG.format('epochs=epochs'))
    monkeypatch.setattr(sys, 'path', list(sys.path))
    monkeypatch.setattr(sys, 'argv', ['x', str(path), '--output', str(tmp_path / 'o'), '--dry-run'])
    compare_pooling.main()
    assert json.loads(capsys.readouterr().out)['epochs'] == 7


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
    from cnn_jax.runs.values import config_to_dict

    old = {'config': config_to_dict(load_config(Path(TINY))), 'cells': []}
    (tmp_path / 'comparison.json').write_text(json.dumps(old))
    code, err = run([TINY, '--output', tmp_path, '--epochs', '5'], monkeypatch, capsys)
    assert code == 2 and 'epochs: 3 -> 5' in err and '--extend' not in err
    for output in (['--output', str(tmp_path)], [f'--output={tmp_path}']):
        code, err = run([TINY, *output, '--seeds', '0', '1', '2'], monkeypatch, capsys)
        assert code == 2 and 'seeds: [0, 1] -> [0, 1, 2]' in err
        assert err.strip().endswith('make compare ARGS="--extend --seeds 0 1 2".')
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


def test_a_look_needs_no_output_and_a_run_does(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['compare_pooling', TINY, '--dry-run'])
    with exit_codes():
        compare_pooling.main()
    assert json.loads(capsys.readouterr().out)['data'] == 'shapes_tiny'
    code, err = run([TINY], monkeypatch, capsys)
    assert code == 2 and 'give --output DIR' in err
    assert not list(tmp_path.iterdir())


def test_a_report_of_no_run_and_an_unknown_form(tmp_path, monkeypatch, capsys):
    for arguments, said in (
        ([str(tmp_path)], 'no comparison.json in'),
        ([str(tmp_path), '--format', 'docx'], 'docx'),
    ):
        monkeypatch.setattr(sys, 'argv', ['report', *arguments])
        with pytest.raises(SystemExit) as end, exit_codes():
            report.main()
        assert end.value.code == 2 and said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
