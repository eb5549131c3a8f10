"""The compact form of a study: what it keeps, and what a merge refuses."""

import json
from pathlib import Path
from typing import Any

import pytest

from cnn_jax.checksums import sealed, unsealed
from cnn_jax.compact import (
    Compact,
    environment_hash,
    is_study,
    merge,
    read_compact,
    save_compact,
    write_compact,
)
from cnn_jax.errors import BadInput, Damaged


def made(
    folder: Path,
    cells: dict[str, float],
    *,
    seeds: tuple[int, ...] = (0, 1),
    strategies: tuple[str, ...] = ('max', 'avg'),
    code: str = 'abc',
    **changes: Any,
) -> Path:
    """A study of one comparison in `folder`, of these cells ('max0') with their accuracy."""
    config = {
        'model': 'convnet3',
        'seeds': list(seeds),
        'strategies': {name: {'name': name} for name in strategies},
        'learning_rates': {},
        'epochs': 1,
    }
    index = {
        'config': {**config, **changes.get('config', {})},
        'class_names': ['a', 'b'],
        'data_fingerprint': changes.get('data', 'd1'),
        'cells': [
            {'strategy': name, 'seed': seed, 'cell': f'{name}{seed}'}
            for seed in seeds
            for name in strategies
        ],
    }
    environment = {'code': code, 'python': '3.13'}
    rows = {
        name: {
            'cell': name,
            'result': {
                'status': 'completed',
                'accuracy': accuracy,
                'consistency': 0.5,
                'seconds': 1.0 + accuracy,
            },
            'curve': [],
            'environment': environment_hash(environment),
        }
        for name, accuracy in cells.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    environments = {environment_hash(environment): environment}
    save_compact(folder, Compact('t', {'main': index}, rows, environments))
    return folder


def resealed(folder: Path, **result: Any) -> None:
    """Every line with these figures in its result; None takes one out."""
    lines = []
    for line in (folder / 'cells.jsonl').read_text().splitlines():
        row = unsealed(json.loads(line), line)
        row['result'] = {k: v for k, v in {**row['result'], **result}.items() if v is not None}
        lines.append(json.dumps(sealed(row), sort_keys=True))
    (folder / 'cells.jsonl').write_text('\n'.join(lines) + '\n')


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_halves_are_the_whole_byte_for_byte(tmp_path: Path):
    whole = made(tmp_path / 'whole', {'max0': 0.9, 'avg0': 0.8, 'max1': 0.7, 'avg1': 0.6})
    one = made(tmp_path / 'one', {'max0': 0.9, 'avg1': 0.6})
    two = made(tmp_path / 'two', {'avg0': 0.8, 'max1': 0.7})
    merge([one, two], tmp_path / 'merged')
    assert contents(tmp_path / 'merged') == contents(whole)
    assert is_study(tmp_path / 'merged') and not is_study(tmp_path)


def test_seeds_and_strategies_are_joined_in_order(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9}, seeds=(0,))
    two = made(tmp_path / 'two', {'max1': 0.7}, seeds=(1,), strategies=('max', 'blur'))
    merged = merge([two, one], tmp_path / 'merged').comparisons['main']
    assert merged['config']['seeds'] == [0, 1]
    assert list(merged['config']['strategies']) == ['max', 'blur', 'avg']
    assert [c['cell'] for c in merged['cells']] == ['max0', 'avg0', 'max1', 'blur1']


def test_the_time_a_cell_took_may_differ_and_its_numbers_may_not(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    two = made(tmp_path / 'two', {'max0': 0.9})
    resealed(two, seconds=7.5)
    assert len(merge([one, two], tmp_path / 'merged').cells) == 1
    merge([two, one], tmp_path / 'turned')
    assert contents(tmp_path / 'merged') == contents(tmp_path / 'turned')
    three = made(tmp_path / 'three', {'max0': 0.91})
    with pytest.raises(BadInput, match=r'three: cell max0 is there with other numbers .*accuracy'):
        merge([one, three], tmp_path / 'refused')
    assert not (tmp_path / 'refused').exists()


def test_other_data_code_and_recipes_are_refused(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    data = made(tmp_path / 'data', {'max1': 0.9}, data='d2')
    with pytest.raises(BadInput, match='data: main is of other data'):
        merge([one, data], tmp_path / 'out')
    epochs = made(tmp_path / 'epochs', {'max1': 0.9}, config={'epochs': 2})
    with pytest.raises(BadInput, match='another config .*: epochs'):
        merge([one, epochs], tmp_path / 'out')
    rates = made(tmp_path / 'rates', {'max1': 0.9}, config={'learning_rates': {'max': 0.1}})
    again = made(tmp_path / 'again', {'max1': 0.9}, config={'learning_rates': {'max': 0.2}})
    with pytest.raises(BadInput, match=r"other learning_rates .*\['max'\]"):
        merge([rates, again], tmp_path / 'out')
    code = made(tmp_path / 'code', {'max1': 0.9}, code='xyz')
    with pytest.raises(BadInput, match='different code .*abc.*xyz.*--mixed-code'):
        merge([one, code], tmp_path / 'out')
    assert len(merge([one, code], tmp_path / 'out', mixed_code=True).environments) == 2


def test_damage_is_named(tmp_path: Path):
    with pytest.raises(BadInput, match='no study.json in'):
        read_compact(tmp_path)
    study = made(tmp_path / 'study', {'max0': 0.9, 'avg0': 0.8})
    whole = contents(study)

    def restore() -> None:
        for name, content in whole.items():
            (study / name).write_bytes(content)

    (study / 'study.json').write_bytes(whole['study.json'].replace(b'convnet3', b'convnet4'))
    with pytest.raises(Damaged, match=r'study.json is damaged'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_bytes(whole['cells.jsonl'][:-20])
    with pytest.raises(Damaged, match=r'cells.jsonl, line 2, is damaged'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_bytes(whole['cells.jsonl'].replace(b'0.9', b'0.8', 1))
    with pytest.raises(Damaged, match=r'line 2, is damaged: it does not match its own SHA-256'):
        read_compact(study)
    restore()
    (study / 'environments.json').write_bytes(whole['environments.json'].replace(b'3.13', b'3.12'))
    with pytest.raises(Damaged, match=r'environments.json is damaged: .* is not the hash'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').write_text(json.dumps(sealed({'cell': 'max0'})) + '\n')
    with pytest.raises(Damaged, match='line 1, is damaged: a field is missing'):
        read_compact(study)
    restore()
    (study / 'environments.json').write_text('{}')
    with pytest.raises(BadInput, match='lacks the environment of cell'):
        read_compact(study)
    restore()
    (study / 'cells.jsonl').unlink()
    with pytest.raises(Damaged, match='cells.jsonl cannot be read'):
        read_compact(study)


def test_figures_that_are_missing_and_a_study_in_the_way(tmp_path: Path):
    one, two = (made(tmp_path / name, {'max0': 0.9}) for name in ('one', 'two'))
    resealed(one, consistency=None)
    with pytest.raises(Damaged, match='line 1, is damaged: its result lacks figures'):
        read_compact(one)
    resealed(one, consistency=0.5)
    before = contents(two)
    with pytest.raises(BadInput, match='two holds a study already: name it among the folders'):
        merge([one], two)
    assert contents(two) == before
    assert len(merge([one, two], two).cells) == 1


def test_nothing_finished_yet(tmp_path: Path):
    write_compact('empty', tmp_path)
    assert read_compact(tmp_path).cells == {}
    with pytest.raises(BadInput, match='at least one folder'):
        merge([], tmp_path / 'out')
