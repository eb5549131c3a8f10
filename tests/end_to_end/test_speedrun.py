"""A timed training run, from its command line."""

import json
import sys
from pathlib import Path

import pytest

from cnn_jax.exits import exit_codes
from experiments import speedrun

CONFIG = """
from cnn_jax.training.augment import Augment
from cnn_jax.strategies import Max
from cnn_jax.runs import Comparison
config = Comparison(data='shapes_tiny', strategies={'max': Max()}, seeds=(3,), epochs=1,
                    batch_size=16, augment=Augment(flip=True))
"""


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, 'argv', ['speedrun', *map(str, arguments)])
    with exit_codes():
        speedrun.main()


def test_a_run_is_timed_and_judged(tmp_path, monkeypatch, capsys):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG)
    call(monkeypatch, config, '--json', tmp_path / 'log.json', '--validation-fraction', '0.25')
    (run,) = json.loads((tmp_path / 'log.json').read_text())['runs']
    assert run['seed'] == 3 and run['split'] == 'validation' and 0 <= run['accuracy'] <= 1
    assert 0 < sum(run['parts_s'].values()) < run['seconds']
    assert f'seed 3: {run["seconds"]:.1f} s, validation accuracy' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, said',
    [
        (['configs/shapes/tiny.py', '--json', 'a.json'], 'has 2 strategies; a speed run has one'),
        (['CONFIG', '--json', 'a.txt'], '--json must name a .json file'),
        (['CONFIG', '--json', 'a.json', '--validation-fraction', '1.5'], 'validation_fraction'),
        (['none.py', '--json', 'a.json'], 'no config file'),
    ],
)
def test_bad_input(arguments, said, tmp_path, monkeypatch, capsys):
    config = tmp_path / 'config.py'
    config.write_text(CONFIG)
    arguments = [str(config) if word == 'CONFIG' else word for word in arguments]
    monkeypatch.chdir(Path(speedrun.__file__).parents[1])
    with pytest.raises(SystemExit) as end:
        call(monkeypatch, *arguments)
    err = capsys.readouterr().err
    assert end.value.code == 2 and said in err and len(err.strip().splitlines()) <= 2, err
    assert not Path('a.json').exists() and not Path('a.txt').exists()
