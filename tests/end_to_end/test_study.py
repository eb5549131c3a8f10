"""A study: whole, in two merged shards, stopped and resumed, and its report."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from cnn_jax.compact import TUNING_SEED, read_compact
from cnn_jax.errors import BadInput, Damaged
from cnn_jax.merge import merge
from cnn_jax.reports import write_study_report
from cnn_jax.runs import Comparison, Evaluation, Study
from cnn_jax.runs.progress import Progress
from cnn_jax.runs.study import run_study
from cnn_jax.strategies import Avg, Max
from cnn_jax.training import Optimizer

COMPARISON = Comparison(
    model='convnet1_3x3',
    data='shapes_tiny',
    strategies={'max': Max(), 'avg': Avg()},
    seeds=(0, 1),
    epochs=1,
    batch_size=128,
    optimizer=Optimizer(name='muon', learning_rate=0.02),
    evaluation=Evaluation(max_shift=1, measures=('ece',), maps=0),
)
STUDY = Study(title='tiny', comparisons={'main': COMPARISON})
COMPACT = ('study.json', 'cells.jsonl', 'environments.json')


def run(study: Study, folder: Path, **options) -> None:
    run_study(study, folder, Progress(Console(quiet=True)), workers=1, **options)


@pytest.fixture(scope='module')
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('study') / 'whole'
    run(STUDY, folder)
    return folder


def report(folder: Path, output: Path) -> dict[str, bytes]:
    files = write_study_report(folder, output)
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def test_two_shards_merged_give_the_same_report_byte_for_byte(whole: Path, tmp_path: Path):
    for number in (1, 2):
        run(STUDY, tmp_path / f'part{number}', shard=(number, 2))
    parts = [tmp_path / 'part1', tmp_path / 'part2']
    cells = [set(read_compact(part).cells) for part in parts]
    assert not cells[0] & cells[1] and len(cells[0] | cells[1]) == 4
    merge(parts, tmp_path / 'merged')
    merged, expected = (
        report(tmp_path / 'merged', tmp_path / 'r1'),
        report(whole, tmp_path / 'r2'),
    )
    for name in ('report.md', 'report.html', 'summary.json'):
        assert merged[name] == expected[name]
    assert (tmp_path / 'merged' / 'study.json').read_bytes() == (whole / 'study.json').read_bytes()


def test_a_finished_study_runs_nothing_and_a_grown_one_only_what_is_new(
    whole: Path, tmp_path: Path
):
    folder = tmp_path / 'grown'
    shutil.copytree(whole, folder)
    before = {p: p.stat().st_mtime_ns for p in folder.glob('cells/*/result.json')}
    run(STUDY, folder)
    grown = replace(COMPARISON, seeds=(0, 1, 2))
    run(replace(STUDY, comparisons={'main': grown}), folder)
    after = {p: p.stat().st_mtime_ns for p in folder.glob('cells/*/result.json')}
    assert {p: after[p] for p in before} == before and len(after) == 6
    assert len(read_compact(folder).cells) == 6


def test_fewer_seeds_than_were_begun_are_refused(whole: Path):
    fewer = {'main': replace(COMPARISON, seeds=(0,))}
    with pytest.raises(BadInput, match='main was begun with 2 seeds .* the config has 1'):
        run(replace(STUDY, comparisons=fewer), whole)


def test_what_another_machine_has_is_not_run_again(whole: Path, tmp_path: Path):
    had = [name for name in read_compact(whole).cells][:3]
    run(STUDY, tmp_path / 'rest', skip=had)
    rest = read_compact(tmp_path / 'rest')
    assert len(rest.cells) == 1 and not rest.cells.keys() & set(had)
    merge([whole, tmp_path / 'rest'], tmp_path / 'merged')
    assert (tmp_path / 'merged' / 'study.json').read_bytes() == (whole / 'study.json').read_bytes()


def test_learning_rates_are_chosen_on_a_validation_split_and_recorded(tmp_path: Path):
    study = Study(
        title='tuned',
        comparisons={'main': replace(COMPARISON, seeds=(0,))},
        tune={'main': (0.05, 1.0)},
    )
    run(study, tmp_path)
    found = read_compact(tmp_path)
    rates = found.comparisons['main']['config']['learning_rates']
    assert set(rates) == {'max', 'avg'} and set(rates.values()) <= {0.001, 0.02}
    tried = found.comparisons['main_rate_0.05']['config']
    assert tried['seeds'] == [TUNING_SEED] and tried['validation_fraction'] == 0.1
    best = {}
    for name, factor in (('main_rate_0.05', 0.001), ('main_rate_1', 0.02)):
        for entry in found.comparisons[name]['cells']:
            accuracy = found.cells[entry['cell']]['curve'][-1]['accuracy']
            best[entry['strategy']] = max(best.get(entry['strategy'], (-1, 0)), (accuracy, factor))
    assert {strategy: rate for strategy, (_, rate) in best.items()} == rates
    assert 'Learning rates chosen' in report(tmp_path, tmp_path / 'r')['report.md'].decode()


def test_a_compact_form_that_a_kill_or_a_disk_left_is_made_anew_from_the_cells(
    whole: Path, tmp_path: Path
):
    folder = tmp_path / 'resumed'
    shutil.copytree(whole, folder)
    expected = {name: (whole / name).read_bytes() for name in COMPACT}
    (folder / 'environments.json').write_text('{}')  # as a kill of an earlier version left it
    (folder / 'cells.jsonl').write_bytes(expected['cells.jsonl'][:-100])
    run(STUDY, folder)
    assert {name: (folder / name).read_bytes() for name in COMPACT} == expected
    (folder / 'study.json').write_bytes(expected['study.json'][:-100])
    with pytest.raises(Damaged, match=r'study.json is damaged.* move study.json away and run'):
        run(STUDY, folder)
    (folder / 'study.json').unlink()
    run(STUDY, folder)
    assert {name: (folder / name).read_bytes() for name in COMPACT} == expected


def test_cells_that_are_there_in_their_compact_form_alone_are_not_lost(whole: Path, tmp_path: Path):
    folder = tmp_path / 'compact'
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns('cells'))
    with pytest.raises(BadInput, match='holds 4 cells in their compact form alone'):
        run(STUDY, folder)
