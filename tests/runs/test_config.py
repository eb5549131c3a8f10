"""Configs: checked on creation, hashed, compared."""

import dataclasses
import json

import pytest

from cnn_jax.errors import BadInput
from cnn_jax.measures import CHEAP
from cnn_jax.runs import Cell, Comparison, Evaluation
from cnn_jax.runs.config import cells_of
from cnn_jax.runs.values import (
    cell_from_dict,
    config_difference,
    config_hash,
    config_to_dict,
)
from cnn_jax.strategies import Avg, Max, MaxBlur
from cnn_jax.training import Optimizer
from cnn_jax.training.augment import Augment

CELL = Cell(strategy=Max(), seed=0)


@pytest.mark.parametrize(
    'values, said',
    [
        ({'epochs': 0}, 'epochs must be an int of at least 1; got 0'),
        ({'epochs': -1}, 'epochs must be an int of at least 1; got -1'),
        ({'batch_size': 0}, 'batch_size must be an int of at least 1'),
        ({'image_size': (0, 28)}, 'image_size must be an int of at least 1'),
        ({'cores': 0}, 'cores must be an int of at least 1'),
        ({'seeds': ()}, 'seeds must be a tuple of at least one number'),
        ({'seeds': (-1,)}, 'seeds must be an int of at least 0; got -1'),
        ({'seeds': (1, 1)}, 'seeds must differ'),
        ({'seeds': (2**32,)}, 'seeds must be below'),
        ({'strategies': {'max': 'max'}}, 'strategies must hold strategies'),
        ({'strategies': [Max()]}, 'strategies must be a dict'),
        ({'optimizer': 'adam'}, r'optimizer must be Optimizer\(...\)'),
        ({'evaluation': None}, r'evaluation must be Evaluation\(...\)'),
        ({'model': 'convnett1'}, "did you mean 'convnet1'"),
        ({'learning_rates': {'max': 1e300}}, 'a number above 0 that float32 can hold'),
        ({'learning_rates': {'max': 0}}, 'a number above 0 that float32 can hold'),
        ({'baseline': 'avgg'}, "did you mean 'avg'"),
        ({'strategies': {}}, 'at least one name and strategy'),
        ({'strategies': {'': Max()}}, "name of a strategy must not be blank; got ''"),
        ({'strategies': {' ': Max()}}, "name of a strategy must not be blank; got ' '"),
        ({'strategies': {'a\nb\n': Max()}}, r"one line .*; got 'a\\nb\\n': take out '\\n'\.$"),
        ({'strategies': {'a\tb\x1b[1m': Max()}}, r"take out '\\t', '\\x1b'\.$"),
        ({'strategies': {'a\u2028b\x85': Max()}}, r"take out '\\u2028', '\\x85'\.$"),
        ({'title': 'a\rb'}, r"title must be one line without control characters.*'\\r'"),
        ({'validation_fraction': 1.0}, 'validation_fraction must be at least 0 and below 1'),
        ({'label_smoothing': -0.1}, 'label_smoothing must be at least 0'),
        ({'precision': 'float16'}, "unknown precision 'float16': did you mean 'bfloat16'"),
    ],
)
def test_bad_values_are_refused(values, said, unchecked):
    good = {'strategies': {'max': Max(), 'avg': Avg()}}
    with pytest.raises(BadInput, match=said):
        Comparison(**{**good, **values})


@pytest.mark.parametrize('name', ["it's", '-x', 'größe 2', '$HOME "{}"', 'a:b', '🧑\u200d🔬'])
def test_names_of_one_line_are_allowed(name):
    assert list(Comparison(strategies={name: Max()}, baseline=name).strategies) == [name]


@pytest.mark.parametrize(
    'values, said',
    [
        ({'max_shift': 0}, 'evaluation.max_shift must be an int of at least 1'),
        ({'border': 'mirror'}, 'unknown evaluation.border'),
        ({'batch_size': 0}, 'evaluation.batch_size'),
    ],
)
def test_bad_evaluation_is_refused(values, said):
    with pytest.raises(BadInput, match=said):
        Evaluation(**values)


def test_hash_changes_with_every_field():
    others = {
        'data': 'shapes',
        'image_size': (32, 32),
        'margin': 3,
        'validation_fraction': 0.1,
        'epochs': 4,
        'batch_size': 64,
        'label_smoothing': 0.1,
        'precision': 'bfloat16',
        'optimizer': Optimizer(learning_rate=2e-3),
        'augment': Augment(crop=1),
        'evaluation': Evaluation(max_shift=2),
        'cores': 2,
        'strategy': MaxBlur(filter_size=5),
        'seed': 1,
    }
    assert {f.name for f in dataclasses.fields(Cell)} == {*others, 'model', 'task'}
    hashes = {config_hash(dataclasses.replace(CELL, **{k: v})) for k, v in others.items()}
    assert len(hashes | {config_hash(CELL)}) == len(others) + 1
    assert config_hash(CELL) == config_hash(Cell(strategy=Max(), seed=0))


def test_a_task_has_its_own_measures_and_cells():
    cell = Cell(strategy=Max(), seed=0, task='segmentation', model='unet_small')
    assert cell.evaluation.measures == CHEAP['segmentation']
    assert config_hash(cell) != config_hash(CELL) and 'task' not in config_to_dict(CELL)
    assert cell_from_dict(config_to_dict(cell)) == cell
    with pytest.raises(BadInput, match='ece, worst_case: not for segmentation, which has foreg'):
        dataclasses.replace(CELL, task='segmentation', model='unet_small')
    with pytest.raises(BadInput, match='augment is for classification: leave it out for keyp'):
        Cell(
            strategy=Max(),
            seed=0,
            task='keypoints',
            model='keypoint_small',
            augment=Augment(flip=True),
        )
    with pytest.raises(BadInput, match="unknown task 'segmentatoin': did you mean 'segmentation'"):
        Cell(strategy=Max(), seed=0, task='segmentatoin')


def test_config_is_plain_json():
    comparison = Comparison(strategies={'max': Max(), 'b5': MaxBlur(filter_size=5)})
    values = config_to_dict(comparison)
    assert json.loads(json.dumps(values)) == values
    assert values['strategies']['b5']['filter_size'] == 5
    assert values['seeds'] == list(range(8)) and values['same_within'] == 0.005


def test_all_strategies_get_the_same_seeds():
    cells = cells_of(Comparison(strategies={'max': Max(), 'avg': Avg()}, seeds=(3, 5), epochs=7))
    assert {key: (c.strategy, c.seed, c.epochs) for key, c in cells.items()} == {
        (name, seed): (strategy, seed, 7)
        for name, strategy in {'max': Max(), 'avg': Avg()}.items()
        for seed in (3, 5)
    }


def test_difference_names_nested_keys_and_missing_ones():
    assert config_difference({'a': 1, 'b': {'c': 2}}, {'b': {'c': 3}, 'd': 4}) == [
        'a: 1 -> null',
        'b.c: 2 -> 3',
        'd: null -> 4',
    ]
