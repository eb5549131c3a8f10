"""Studies put together: the same whatever the order of the folders, and what is refused."""

import itertools
from pathlib import Path

import pytest

from cnn_jax.checksums import read_sealed, write_sealed
from cnn_jax.compact import is_study, read_compact
from cnn_jax.errors import BadInput
from cnn_jax.merge import merge
from tests.studies import contents, made, resealed


def test_two_halves_are_the_whole_byte_for_byte(tmp_path: Path):
    whole = made(tmp_path / 'whole', {'max0': 0.9, 'avg0': 0.8, 'max1': 0.7, 'avg1': 0.6})
    one = made(tmp_path / 'one', {'max0': 0.9, 'avg1': 0.6})
    two = made(tmp_path / 'two', {'avg0': 0.8, 'max1': 0.7})
    merge([one, two], tmp_path / 'merged')
    assert contents(tmp_path / 'merged') == contents(whole)
    assert is_study(tmp_path / 'merged') and not is_study(tmp_path)


def test_the_order_of_the_folders_does_not_matter(tmp_path: Path):
    folders = [
        made(tmp_path / 'a', {'max1': 0.7}, seeds=(1,), strategies=('max', 'blur')),
        made(tmp_path / 'b', {'max0': 0.9}, seeds=(0,), strategies=('avg', 'max')),
        made(tmp_path / 'c', {'max0': 0.9, 'lip2': 0.5}, seeds=(2,), strategies=('lip', 'max')),
        made(tmp_path / 'd', {'avg1': 0.6}, seeds=(1,), strategies=('max', 'avg', 'lip')),
    ]
    resealed(folders[1], seconds=7.5)
    found = []
    for number, order in enumerate(itertools.permutations(folders)):
        merge(order, tmp_path / str(number))
        found.append(contents(tmp_path / str(number)))
    assert all(content == found[0] for content in found)
    merged = read_compact(tmp_path / '0')
    assert list(merged.comparisons['main']['config']['strategies']) == ['max', 'avg', 'lip', 'blur']
    assert merged.cells.keys() == {'max0', 'max1', 'lip2', 'avg1'}


def test_seeds_and_strategies_are_joined_in_order(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9}, seeds=(0,))
    two = made(tmp_path / 'two', {'max1': 0.7}, seeds=(1,), strategies=('max', 'blur'))
    merged = merge([two, one], tmp_path / 'merged').comparisons['main']
    assert merged['config']['seeds'] == [0, 1]
    assert list(merged['config']['strategies']) == ['max', 'avg', 'blur']
    assert [c['cell'] for c in merged['cells']] == ['max0', 'avg0', 'max1', 'blur1']


def test_the_time_a_cell_took_may_differ_and_its_numbers_may_not(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    two = made(tmp_path / 'two', {'max0': 0.9})
    resealed(two, seconds=7.5)
    assert len(merge([one, two], tmp_path / 'merged').cells) == 1
    merge([two, one], tmp_path / 'turned')
    assert contents(tmp_path / 'merged') == contents(tmp_path / 'turned')
    three = made(tmp_path / 'three', {'max0': 0.91})
    with pytest.raises(
        BadInput, match=r'cell max0 has other numbers in .*three than in .*one \(accuracy\)'
    ):
        merge([one, three], tmp_path / 'refused')
    assert not (tmp_path / 'refused').exists()


def test_of_a_cell_of_two_configs_the_finished_one_counts(tmp_path: Path):
    done = made(tmp_path / 'done', {'max0': 0.9})
    tuned = {'learning_rates': {'max': 0.1}}
    other = made(tmp_path / 'other', {'avg0_b': 0.8}, suffix='_b', config=tuned)
    for number, order in enumerate(([done, other], [other, done])):
        merged = merge(order, tmp_path / str(number))
        cells = {(c['strategy'], c['seed']): c['cell'] for c in merged.comparisons['main']['cells']}
        assert cells[('max', 0)] == 'max0' and cells[('avg', 0)] == 'avg0_b'
        assert merged.comparisons['main']['config']['learning_rates'] == {}
        assert merged.cells.keys() == {'max0', 'avg0_b'}
    assert contents(tmp_path / '0') == contents(tmp_path / '1')


def test_each_seed_is_the_cell_that_has_finished_where_hashes_differ(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    two = made(tmp_path / 'two', {'max1_b': 0.8}, suffix='_b')
    for number, order in enumerate(([one, two], [two, one])):
        merged = merge(order, tmp_path / str(number))
        cells = {(c['strategy'], c['seed']): c['cell'] for c in merged.comparisons['main']['cells']}
        assert cells[('max', 0)] == 'max0' and cells[('max', 1)] == 'max1_b'
    assert contents(tmp_path / '0') == contents(tmp_path / '1')


def test_two_finished_cells_of_two_configs_are_refused(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9, 'max1': 0.8})
    again = made(tmp_path / 'again', {'max1_b': 0.8}, suffix='_b')
    for order in ([one, again], [again, one]):
        with pytest.raises(
            BadInput, match='max, seed 1, .*: cell max1 in .*one and .*_b in .*again'
        ):
            merge(order, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_the_seeds_of_a_strategy_are_of_one_learning_rate(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    tuned = {'learning_rates': {'max': 0.1}}
    two = made(tmp_path / 'two', {'max1_b': 0.9}, suffix='_b', config=tuned)
    with pytest.raises(BadInput, match=r"rate of max in main differs: .*the recipe's.* in .*one"):
        merge([one, two], tmp_path / 'out')
    none, neither = (made(tmp_path / n, {}, config=c) for n, c in (('none', {}), ('n', tuned)))
    with pytest.raises(BadInput, match=r'learning rate of max in main differs'):
        merge([none, neither], tmp_path / 'out')


def test_other_data_code_and_recipes_are_refused(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    data = made(tmp_path / 'data', {'max1': 0.9}, data='d2')
    with pytest.raises(BadInput, match='the data of main differs: "d[12]" in .*, "d[12]" in '):
        merge([one, data], tmp_path / 'out')
    epochs = made(tmp_path / 'epochs', {'max1': 0.9}, config={'epochs': 2})
    with pytest.raises(
        BadInput, match='epochs in the config of main differs: [12] in .*, [12] in '
    ):
        merge([one, epochs], tmp_path / 'out')
    rates = made(tmp_path / 'rates', {'max1': 0.9}, config={'learning_rates': {'max': 0.1}})
    again = made(tmp_path / 'again', {'max1': 0.9}, config={'learning_rates': {'max': 0.2}})
    with pytest.raises(BadInput, match='the learning rate of max in main differs'):
        merge([rates, again], tmp_path / 'out')
    classes = made(tmp_path / 'classes', {'max1': 0.9}, class_names=['b', 'a'])
    with pytest.raises(BadInput, match='names of the classes of main differs: .*"a", "b"'):
        merge([one, classes], tmp_path / 'out')
    title = made(tmp_path / 'title', {'max1': 0.9}, title='u')
    with pytest.raises(BadInput, match='title of the study differs: "t" in .*, "u" in .*title'):
        merge([one, title], tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    code = made(tmp_path / 'code', {'max1': 0.9}, code='xyz')
    with pytest.raises(BadInput, match='different code .*abc.*xyz.*--mixed-code'):
        merge([one, code], tmp_path / 'out')
    assert len(merge([one, code], tmp_path / 'out', mixed_code=True).environments) == 2


def test_strategies_of_one_name_are_one(tmp_path: Path):
    one = made(tmp_path / 'one', {'max0': 0.9})
    config = {'strategies': {'max': {'name': 'max', 'window': 3}}}
    two = made(tmp_path / 'two', {'max1': 0.9}, config=config)
    with pytest.raises(BadInput, match='the strategy max of main differs'):
        merge([one, two], tmp_path / 'out')


def test_a_study_or_a_file_in_the_way(tmp_path: Path):
    one, two = (made(tmp_path / name, {'max0': 0.9}) for name in ('one', 'two'))
    before = contents(two)
    with pytest.raises(BadInput, match='two holds a study already: name it among the folders'):
        merge([one], two)
    assert contents(two) == before
    assert len(merge([one, two], two).cells) == 1
    (tmp_path / 'file').write_text('mine')
    for output in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        with pytest.raises(BadInput, match='cannot create the output folder .*file.*another --out'):
            merge([one], output)
    assert (tmp_path / 'file').read_text() == 'mine'
    with pytest.raises(BadInput, match='at least one folder'):
        merge([], tmp_path / 'out')


def test_a_study_merged_alone_takes_this_version_s_form(tmp_path: Path):
    study = made(tmp_path / 'study', {'max0': 0.9, 'avg0': 0.8})
    now = contents(study)
    older = {k: v for k, v in read_sealed(study / 'study.json').items() if k != 'finished'}
    write_sealed(study / 'study.json', older)
    assert contents(study) != now
    merge([study], study)
    assert contents(study) == now
