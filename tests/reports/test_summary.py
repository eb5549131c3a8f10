"""The summary: its structure, its numbers, and what they leave out."""

import json
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from cnn_jax.measures import MEASURES
from cnn_jax.reports.run import CellResult, Run, read_run
from cnn_jax.reports.statistics import sign_flip_p_value
from cnn_jax.reports.summary import summarize_run
from cnn_jax.reports.words import chance_note, measured, percent
from tests.reports.fake_run import fake_run


def run_of(values: dict[str, dict[int, tuple[float, float]]], **more: Any) -> Run:
    """A run whose cells measured (accuracy, consistency); the first strategy is the baseline."""
    cells = [
        CellResult(
            name,
            seed,
            Path(),
            'completed',
            {'accuracy': accuracy, 'consistency': consistency, **more},
            {},
            (),
        )
        for name, seeds in values.items()
        for seed, (accuracy, consistency) in seeds.items()
    ]
    return Run(Path(), {'baseline': next(iter(values))}, (), tuple(cells))


def test_the_form_is_the_agreed_one(tmp_path: Path):
    summary = summarize_run(read_run(fake_run(tmp_path, ('max', 'avg'))))
    assert list(summary) == ['config', 'environment', 'strategies', 'comparisons']
    agreed = {'accuracy', 'consistency', 'examples_per_second', 'parameters', 'flops_per_example'}
    agreed |= {'activation_bytes', 'inference_per_second'}
    extra = {'seeds', 'missing', 'diverged', 'near_chance', 'failed', 'spread'}
    extra |= MEASURES['classification'].keys()
    assert set(summary['strategies']['avg']) == agreed | extra
    assert set(summary['strategies']['avg']['accuracy']) == {'mean', 'ci95', 'values'}
    keys = {'baseline', 'strategy', 'metric', 'difference', 'ci95', 'p_value', 'p_holm', 'verdict'}
    keys |= {'p_same', 'p_sign_flip', 'smallest_difference', 'seeds_to_decide', 'seeds'}
    assert [set(row) for row in summary['comparisons']] == [keys, keys]
    assert [row['metric'] for row in summary['comparisons']] == ['accuracy', 'consistency']
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert summary['config']['epochs'] == 3
    assert summary['environment']['git'] == {'revision': '0123abc', 'dirty': False}


def test_the_numbers_are_those_of_the_files(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max',)))
    row = summarize_run(run)['strategies']['max']
    values = [json.loads((c.folder / 'result.json').read_text())['accuracy'] for c in run.cells]
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert row['accuracy']['values'] == values
    assert row['accuracy']['mean'] == pytest.approx(sum(values) / 3)
    assert row['accuracy']['ci95'] == pytest.approx([interval.low, interval.high])
    assert row['examples_per_second'] == 5230.0
    assert row['parameters'] == 29034
    assert isinstance(row['parameters'], int)
    assert row['seeds'] == [0, 1, 2]


def test_unfinished_and_diverged_cells_are_listed_and_left_out(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), missing=[('max', 1)], diverged=[('avg', 2)])
    summary = summarize_run(read_run(tmp_path))
    maximum, average = summary['strategies']['max'], summary['strategies']['avg']
    assert (maximum['seeds'], maximum['missing'], maximum['diverged']) == ([0, 2], [1], [])
    assert (average['seeds'], average['missing'], average['diverged']) == ([0, 1], [], [2])
    assert len(maximum['accuracy']['values']) == 2
    row = summary['comparisons'][0]  # Only seed 0 is common to both.
    first = average['accuracy']['values'][0] - maximum['accuracy']['values'][0]
    assert row['difference'] == pytest.approx(first)
    assert (row['ci95'], row['p_value'], row['verdict']) == (None, 1.0, 'undecided')


def test_a_strategy_with_nothing_finished_has_nulls(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), (0, 1), diverged=[('avg', 0)], missing=[('avg', 1)])
    summary = summarize_run(read_run(tmp_path))
    row = summary['strategies']['avg']
    assert row['accuracy'] == {'mean': None, 'ci95': None, 'values': []}
    assert row['examples_per_second'] is None
    assert row['parameters'] == 29034
    comparison = summary['comparisons'][0]
    assert [comparison[k] for k in ('difference', 'ci95', 'p_value', 'p_holm')] == [None] * 4
    assert comparison['verdict'] == 'undecided'


def test_one_seed_has_no_interval(tmp_path: Path):
    summary = summarize_run(read_run(fake_run(tmp_path, ('max', 'avg'), (7,))))
    assert summary['strategies']['max']['accuracy']['ci95'] is None
    assert {row['p_holm'] for row in summary['comparisons']} == {1.0}


def test_without_the_baseline_nothing_is_compared(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('avg', 'max')))
    run = Run(run.folder, dict(run.config) | {'baseline': 'blur'}, (), run.cells)
    assert summarize_run(run)['comparisons'] == []


def test_comparisons_pair_seeds_and_correct_over_all():
    base = {seed: (0.5 + 0.01 * seed, 0.5) for seed in range(8)}
    up = {s: (a + 0.1 + 0.001 * (s % 2), c) for s, (a, c) in reversed(base.items())}
    down = {s: (a - 0.1 - 0.001 * (s % 2), c + 0.2 + 0.001 * s) for s, (a, c) in base.items()}
    mixed = {s: (a + (0.01 if s % 2 else -0.012), c) for s, (a, c) in base.items()}
    summary = summarize_run(run_of({'base': base, 'up': up, 'down': down, 'mixed': mixed}))
    rows = {(row['strategy'], row['metric']): row for row in summary['comparisons']}
    verdicts = {key: row['verdict'] for key, row in rows.items()}
    assert verdicts == {
        ('up', 'accuracy'): 'better',
        ('down', 'accuracy'): 'worse',
        ('mixed', 'accuracy'): 'undecided',
        ('up', 'consistency'): 'same',
        ('down', 'consistency'): 'better',
        ('mixed', 'consistency'): 'same',
    }
    assert rows['up', 'accuracy']['difference'] == pytest.approx(0.1005)
    low, high = rows['up', 'accuracy']['ci95']
    assert 0.1 < low < 0.1005 < high < 0.101
    values = {
        ('up', 'accuracy'): [0.1 + 0.001 * (seed % 2) for seed in range(8)],
        ('down', 'accuracy'): [-0.1 - 0.001 * (seed % 2) for seed in range(8)],
        ('down', 'consistency'): [0.2 + 0.001 * seed for seed in range(8)],
        ('mixed', 'accuracy'): [-0.012, 0.01] * 4,
    }
    p = {key: stats.ttest_1samp(v, 0.0).pvalue for key, v in values.items()}
    for key, expected in p.items():
        assert rows[key]['p_value'] == pytest.approx(expected, rel=1e-5)
        assert rows[key]['p_sign_flip'] == sign_flip_p_value(values[key])
    order = sorted(p, key=lambda key: p[key])
    for rank, key in enumerate(order[:3]):
        assert rows[key]['p_holm'] == pytest.approx(p[key] * (6 - rank), rel=1e-5)


def test_a_verdict_is_that_of_the_p_corrected_over_strategies_and_metrics():
    base = {seed: (0.5, 0.5) for seed in range(4)}
    up = {seed: (0.51 + 0.004 * seed, 0.5 + 0.02 * (-1) ** seed) for seed in range(4)}
    row = summarize_run(run_of({'base': base, 'up': up}))['comparisons'][0]
    p = stats.ttest_1samp([0.010, 0.014, 0.018, 0.022], 0.0).pvalue
    assert row['p_holm'] == pytest.approx(2 * p) and row['verdict'] == 'better'
    rows = summarize_run(run_of({'base': base, 'up': up, 'again': up, 'third': up}))['comparisons']
    assert [row['p_holm'] for row in rows[:3]] == pytest.approx([6 * p] * 3)
    assert 6 * p > 0.05 and [row['verdict'] for row in rows[:3]] == ['undecided'] * 3


def test_planned_looks_of_the_config_decide():
    base = {seed: (0.5, 0.5) for seed in range(6)}
    up = {seed: (0.6 + 0.001 * seed, 0.5) for seed in range(6)}
    run = run_of({'base': base, 'up': up})
    run = Run(run.folder, {**run.config, 'looks': [3, 5, 8]}, (), run.cells)
    row = summarize_run(run)['comparisons'][0]
    assert (row['seeds'], row['verdict']) == (3, 'better')


def test_speed_is_the_median_so_that_one_slow_cell_does_not_count():
    run = run_of({'max': {0: (0.9, 0.7)}}, examples_per_second=100.0)
    slow = run.cells[0]
    cells = [
        CellResult('max', s, Path(), 'completed', {**slow.result, 'examples_per_second': v}, {}, ())
        for s, v in enumerate((100.0, 1.0, 104.0))
    ]
    summary = summarize_run(Run(Path(), {}, (), tuple(cells)))
    assert summary['strategies']['max']['examples_per_second'] == 100.0


def test_an_interval_of_shares_ends_where_shares_do():
    """96.53 +- 6.29 would pass 100%: mean .9653, spread .0253, t(.975, 2) = 4.3027."""
    values = {0: 0.9400, 1: 0.9653, 2: 0.9906}
    run = run_of({'max': {seed: (value, 1 - value) for seed, value in values.items()}})
    row = summarize_run(run)['strategies']['max']
    assert row['accuracy']['mean'] == pytest.approx(0.9653)
    assert row['accuracy']['ci95'] == [pytest.approx(0.9653 - 0.0628, abs=1e-4), 1.0]
    assert row['consistency']['ci95'] == [0.0, pytest.approx(0.0347 + 0.0628, abs=1e-4)]
    assert percent(row['accuracy']) == '96.53 [90.25, 100]'
    assert percent(row['consistency']) == '3.47 [0, 9.75]'


@pytest.mark.parametrize(('classes', 'flags'), [(10, ['sum']), (0, ['sum'])])
def test_a_network_near_chance_is_flagged_and_not_praised(classes: int, flags: list[str]):
    strategies = {'max': (0.90, 0.7), 'blur': (0.6, 0.8), 'sum': (0.29, 0.99)}
    run = run_of({name: {0: pair} for name, pair in strategies.items()}, consistent_and_right=0.5)
    run = Run(run.folder, run.config, tuple('c' * classes), run.cells)
    summary = summarize_run(run)
    assert [n for n, row in summary['strategies'].items() if row['near_chance']] == flags
    assert 'mean shift consistency: blur, 80.00%' in str(measured(summary))
    assert 'both consistent and right: max, 50.00%' in str(measured(summary))
    assert 'sum (accuracy 29.00%)' in str(chance_note(summary))


def test_where_all_are_near_chance_none_is_called_consistent():
    run = run_of({'max': {0: (0.12, 0.99)}, 'avg': {0: (0.1, 1.0)}})
    summary = summarize_run(Run(run.folder, run.config, tuple('0123456789'), run.cells))
    assert 'consistency' not in str(measured(summary))
    assert 'max (accuracy 12.00%) and avg' in str(chance_note(summary))
    fine = run_of({'max': {0: (0.9, 0.7)}, 'avg': {0: (0.8, 0.7)}})
    assert chance_note(summarize_run(fine)) is None
