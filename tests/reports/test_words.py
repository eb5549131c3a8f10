"""The sentences: each is computed from the verdicts and claims no more than they do."""

from typing import Any

from cnn_jax.reports.words import (
    answer,
    cells_note,
    interval_points,
    listing,
    measured,
    pair_counts,
    percent,
    power_note,
    probability,
    short,
)


def summary_of(
    verdicts: dict[str, tuple[str, str]], seeds: int = 8, lost: dict[str, list[int]] | None = None
) -> dict[str, Any]:
    """A summary with baseline `max` and others with (accuracy, consistency) verdicts."""
    strategies = {}
    for index, name in enumerate(['max', *verdicts]):
        missing = (lost or {}).get(name, [])
        done = [seed for seed in range(seeds) if seed not in missing]
        spread = {'mean': 0.9 - 0.1 * index, 'ci95': [0.1, 0.2], 'values': [0.1] * len(done)}
        row = {'accuracy': spread, 'consistency': spread | {'mean': 0.1 + 0.1 * index}}
        strategies[name] = row | {'seeds': done, 'missing': missing, 'diverged': []}
    comparisons = [
        {
            'baseline': 'max',
            'strategy': name,
            'metric': metric,
            'verdict': found[index],
            'seeds': 8,
            'smallest_difference': 0.01 * (1 + index),
            'seeds_to_decide': 20 if found[index] == 'undecided' else None,
        }
        for index, metric in enumerate(('accuracy', 'consistency'))
        for name, found in verdicts.items()
    ]
    return {
        'config': {'baseline': 'max'},
        'strategies': strategies,
        'comparisons': comparisons,
    }


def test_answer_groups_strategies_with_equal_verdicts():
    found = answer(
        summary_of(
            {
                'avg': ('undecided', 'undecided'),
                'blur3': ('worse', 'better'),
                'blur5': ('worse', 'better'),
                'stride': ('undecided', 'worse'),
            }
        )
    )
    assert found == (
        'Compared with max over 8 paired seeds, blur3 and blur5 are less accurate and more '
        'shift-consistent; stride is less shift-consistent; every other difference is undecided.'
    )


def test_answer_where_all_is_decided():
    found = answer(summary_of({'avg': ('better', 'better')}))
    assert found == (
        'Compared with max over 8 paired seeds, avg is more accurate and more shift-consistent.'
    )


def test_answer_where_nothing_is_decided():
    found = answer(summary_of({'avg': ('undecided', 'undecided')}, seeds=3))
    assert 'over 3 paired seeds, no difference is decided' in found


def test_answer_names_the_range_of_pairs():
    verdicts = {'avg': ('undecided', 'undecided'), 'blur': ('undecided', 'undecided')}
    assert 'over 6 to 8 paired seeds' in answer(summary_of(verdicts, lost={'avg': [1, 2]}))


def test_answer_without_pairs():
    lost = {'max': [0, 1]}
    verdicts = {'a': ('undecided', 'undecided'), 'b': ('undecided', 'undecided')}
    summary = summary_of(verdicts, seeds=2, lost=lost)
    assert 'shares a finished seed with the baseline max' in answer(summary)
    assert pair_counts(summary) == []


def test_answer_for_one_strategy():
    assert answer(summary_of({})).startswith('max is the only strategy')
    alone = summary_of({'avg': ('undecided', 'undecided')}, seeds=1, lost={'avg': [0]})
    assert answer(alone).startswith('max alone has finished')


def test_measured_names_the_highest_of_each():
    found = measured(summary_of({'avg': ('undecided', 'undecided')}))
    assert found == (
        'Highest measured mean accuracy: max, 90.00 ± 5.00%. '
        'Highest measured mean shift consistency: avg, 20.00 ± 5.00%.'
    )


def test_answer_says_what_is_the_same():
    found = answer(summary_of({'avg': ('same', 'worse'), 'blur': ('same', 'undecided')}))
    assert found == (
        'Compared with max over 8 paired seeds, avg is as accurate to within 0.5 points and less '
        'shift-consistent; blur is as accurate to within 0.5 points; every other difference is '
        'undecided.'
    )


def test_power_note_says_what_could_have_been_shown_and_what_it_would_take():
    two = summary_of({'a': ('better', 'undecided'), 'b': ('undecided', 'worse')})
    assert power_note(two) == (
        'These seeds show a difference, with a chance of 80%, from 1.00 points on in accuracy and '
        '2.00 points on in consistency. What is undecided would take about 20 paired seeds.'
    )
    two['comparisons'][0]['smallest_difference'] = 0.004
    assert 'from 0.40 to 1.00 points on in accuracy' in str(power_note(two))
    two['comparisons'][1]['seeds_to_decide'] = None
    assert str(power_note(two)).endswith('would take more than 10,000 paired seeds.')
    two['comparisons'][1]['seeds'] = 1  # of one seed nothing can be said
    assert str(power_note(two)).endswith('would take about 20 paired seeds.')
    decided = summary_of({'a': ('better', 'same')})
    assert str(power_note(decided)).endswith('in consistency.')


def test_cells_note_counts_what_is_left_out():
    whole = summary_of({'avg': ('undecided', 'undecided')}, seeds=2)
    assert cells_note(whole) is None
    partial = summary_of({'avg': ('undecided', 'undecided')}, seeds=2, lost={'avg': [1]})
    assert cells_note(partial) == (
        '3 of 4 cells completed; 1 not finished: left out of every mean and comparison.'
    )


def test_numbers():
    assert percent({'mean': None, 'ci95': None}) == '–'
    assert interval_points([-0.0123, 0.1]) == '[-1.23, +10.00]'
    assert [probability(p) for p in (None, 0.0001, 0.00009, 1.0)] == [
        '–',
        '0.0001',
        '<0.0001',
        '1.0000',
    ]
    assert [short(n) for n in (0, 999, 1000, 1e6, 2.5e9, 3e12, None)] == [
        '0',
        '999',
        '1 k',
        '1 M',
        '2.5 G',
        '3 T',
        '–',
    ]
    assert listing(['a']) == 'a'
    assert listing([]) == ''
