"""experiments.summarize: the table, its files, and how bad input ends."""

import json
import sys

import pytest

from cnn_jax.exits import exit_codes
from experiments import summarize


def run(arguments, monkeypatch) -> None:
    monkeypatch.setattr(sys, 'argv', ['summarize', *map(str, arguments)])
    with exit_codes():
        summarize.main()


def test_the_table_and_its_files(tmp_path, monkeypatch, capsys):
    file, picture = tmp_path / 'new' / 'table.json', tmp_path / 'field.png'
    run(['lenet5', '--downsample', 'blur', '--json', file, '--erf', picture], monkeypatch)
    printed = capsys.readouterr().out
    values = json.loads(file.read_text())
    assert printed.startswith('lenet5: LeNet5, Blur(') and ', images 28x28x1' in printed
    assert {'parameters', 'flops_per_example', 'layers'} <= set(values)
    keys = {'name', 'output_shape', 'parameters', 'flops', 'receptive_field'}
    assert all(keys <= set(row) for row in values['layers'])
    assert values['parameters'] == 61_706 and f'{values["flops_per_example"]:,}' in printed
    assert values['model'].startswith('lenet5: ')
    assert picture.read_bytes()[1:4] == b'PNG'
    assert printed.endswith(f'table: {file}\npicture: {picture}\n')


@pytest.mark.parametrize(
    'arguments, heading, classes',
    [
        (['resnet18'], 'ResNet, Max(window=None, stride=2, padding=None), images 224x224x3', 1000),
        (['resnet18', '--input', 64, 48, 1], 'small_images, images 64x48x1', 10),
        (['resnet18', '--small-images', '--num-classes', 7], 'small_images, images 32x32x3', 7),
        (['mobilenet_v2', '--downsample-first'], 'downsample_first, images 224x224x3', 1000),
        (['resnet20'], 'images 32x32x3', 10),
    ],
)
def test_defaults_are_what_the_network_takes(arguments, heading, classes, monkeypatch, capsys):
    run(arguments, monkeypatch)
    printed = capsys.readouterr().out
    assert heading in printed.splitlines()[0]
    dense = next(line for line in printed.splitlines() if line.startswith('| dense'))
    assert dense.split('|')[3].strip() == str(classes)


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['resnet5'], "unknown model 'resnet5': did you mean 'resnet"),
        (['convnet1', '--downsample', 'maxx'], "did you mean 'max'"),
        (['lenet5', '--input', '4', '4', '1'], 'layer conv2: input (2, 2)'),
        (['convnet1', '--input', '28', '28', '0'], 'each at least 1; got (28, 28, 0)'),
        (
            ['convnet1', '--input', '28', '28'],
            '--input takes height, width and channels; got 28 28',
        ),
        (['convnet1', '--layer', 'pool1'], '--layer is for --erf'),
        (['convnet1', '--inputs', '28'], '--inputs'),
        ([], 'STR'),
        (['lenet5', '--small-images'], "unknown option of lenet5 'small_images'"),
        (['convnet1', '--num-classes', '0'], '--num-classes must be at least 1; got 0'),
        (['convnet1', '--json', '/dev/null/table.json'], 'cannot write /dev/null/table.json'),
        (['convnet1', '--erf', 'field.jpg'], '--erf must name a .png file; got field.jpg'),
        (['convnet1', '--erf', 'a.png', '--layer', 'dense'], "unknown layer with a map 'dense'"),
        (
            ['convnet1', '--json', 'a.json', '--erf', 'a.png', '--layer', 'pol1'],
            "did you mean 'pool1'",
        ),
    ],
)
def test_bad_input(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        run(arguments, monkeypatch)
    err = capsys.readouterr().err
    assert end.value.code == 2 and said in err and len(err.strip().splitlines()) <= 2, err
    assert not list(tmp_path.iterdir())


def test_fields_of_the_strategy_are_options(monkeypatch, capsys):
    run(['lenet5', '--downsample', 'max_blur', '--downsample.filter-size', 5], monkeypatch)
    assert 'filter_size=5' in capsys.readouterr().out
    for arguments, said in (
        (['--downsample.filter-size', 9], 'filter_size must be an int from 1 to 7; got 9'),
        (['--downsample.filtersize', 5], '--filter-size'),
    ):
        with pytest.raises(SystemExit) as end:
            run(['lenet5', '--downsample', 'max_blur', *arguments], monkeypatch)
        assert end.value.code == 2 and said in capsys.readouterr().err


def test_help_lists_models_and_strategies(monkeypatch, capsys):
    with pytest.raises(SystemExit):
        run(['--help'], monkeypatch)
    said = capsys.readouterr().out
    assert 'convnext_tiny' in said and 'diffstride' in said
