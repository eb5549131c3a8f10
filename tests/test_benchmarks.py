"""The benchmarks compare like with like, and refuse cases that they cannot time."""

import sys

import jax
import jax.numpy as jnp
import pytest

from cnn_jax.exits import exit_codes
from cnn_jax.models import build_model, count_parameters, for_images, variable_shapes
from cnn_jax.strategies import strategy_named
from experiments import bench_conv, bench_models, bench_ops, bench_sweep, bench_training
from experiments.benchmarks import training_flax


@pytest.mark.parametrize('downsample', ['max', 'max_blur'])
@pytest.mark.parametrize('model', bench_training.SHAPES)
def test_the_twins_in_flax_have_our_parameters(model, downsample):
    shape = bench_training.SHAPES[model]
    ours = build_model(model, downsample=strategy_named(downsample), num_classes=10)
    twin = training_flax.NETWORKS[model](downsample)
    images = jnp.zeros((2, *shape))
    theirs = jax.eval_shape(lambda: twin.init(jax.random.key(0), images))
    expected = count_parameters(variable_shapes(for_images(ours, shape), shape))
    assert count_parameters(theirs) == expected


def test_figures():
    times = {name: [3.0, 1.0, 2.0] for name in ('ours', 'torch a', 'evaluation', 'input')}
    times |= {'flax': [8.0], 'torch b': [1.0], 'product': [1.0], 'copy': [2.0]}
    times |= {'epoch': [44.0], 'steps of an epoch': [40.0]}
    least = {'flops': 5e8, 'bytes': 1e6, 'product_flops': 1e9, 'copy_bytes': 1e6}
    row = bench_training.figures(times, least, batch=128)
    assert (row['ours_ms'], row['spread_ms'], row['torch_best']) == (2.0, [1.0, 3.0], 'torch b')
    assert (row['ratio_to_torch'], row['ratio_to_flax']) == (2.0, 0.25)
    assert (row['floor_ms'], row['share']) == (2.0, 1.0)  # 0.5 ms of arithmetic, 2 ms of copying
    assert row['training_images_per_s'] == 64_000
    assert row['epoch_overhead'] == pytest.approx(0.1)
    alone = {name: values for name, values in times.items() if not name.startswith('torch')}
    assert bench_training.figures(alone, least, batch=128)['ratio_to_torch'] is None


PROGRAMS = [bench_conv, bench_models, bench_ops, bench_sweep, bench_training]


@pytest.mark.parametrize('program', PROGRAMS)
@pytest.mark.parametrize(
    'arguments', [[], ['--json', 'a.md'], ['--json', 'a.json', '--models', 'lenet'], ['--jsn', 'a']]
)
def test_bad_input(program, arguments, tmp_path, monkeypatch, capsys):
    if program is bench_ops and 'lenet' in arguments:
        arguments = ['--json', 'a.json', '--cases', 'maxx']
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'argv', ['bench', *arguments])
    with pytest.raises(SystemExit) as end, exit_codes():
        program.main()
    err = capsys.readouterr().err
    assert end.value.code == 2 and err and len(err.strip().splitlines()) <= 2, err
    assert not list(tmp_path.iterdir())
