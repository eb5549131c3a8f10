"""A study's statistics across comparisons, against values worked by hand and by scipy."""

import numpy as np
import pytest
from scipy import stats

from cnn_jax.reports.study import mean_ranks, pareto_front
from cnn_jax.reports.study_page import one_of_each_data_set


def summary(**accuracies: float) -> dict:
    rows = {
        name: {
            'accuracy': {'mean': value},
            'ece': {'mean': 1 - value},
            'flops_per_example': 1e6 * value,
        }
        for name, value in accuracies.items()
    }
    return {'strategies': rows}


def test_mean_ranks_by_hand_and_friedman_by_scipy():
    tables = {
        'one': summary(max=0.9, avg=0.8, blur=0.7, only=0.1),
        'two': summary(max=0.8, avg=0.9, blur=0.7),
        'three': summary(max=0.9, avg=0.9, blur=0.95),
    }
    found = mean_ranks(tables, 'accuracy')
    assert found is not None
    assert found['ranks'] == pytest.approx({'max': 5.5 / 3, 'avg': 5.5 / 3, 'blur': 7 / 3})
    values = np.array([[0.9, 0.8, 0.7], [0.8, 0.9, 0.7], [0.9, 0.9, 0.95]])
    assert found['p_value'] == pytest.approx(stats.friedmanchisquare(*values.T).pvalue)
    # Demsar 2006, table 5: q at 5% for 3 classifiers is 2.343.
    assert found['critical'] == pytest.approx(2.343 * np.sqrt(3 * 4 / (6 * 3)), abs=1e-3)
    assert found['comparisons'] == ['one', 'two', 'three']


def test_of_an_error_less_is_better():
    tables = {n: summary(max=0.9, avg=0.8, blur=0.7) for n in ('one', 'two')}
    found = mean_ranks(tables, 'ece')
    assert found is not None and list(found['ranks']) == ['max', 'avg', 'blur']


def test_too_few_to_rank():
    three = summary(max=0.9, avg=0.8, blur=0.7)
    assert mean_ranks({'one': three}, 'accuracy') is None
    assert mean_ranks({'one': three, 'two': summary(max=0.9, avg=0.8)}, 'accuracy') is None


def test_the_front_per_flop():
    rows = summary(small=0.5, large=0.9)
    rows['strategies']['waste'] = {'accuracy': {'mean': 0.5}, 'flops_per_example': 9e6}
    rows['strategies']['missing'] = {'accuracy': {'mean': None}, 'flops_per_example': None}
    assert pareto_front(rows, 'accuracy', 'flops_per_example') == ['large', 'small']


def test_comparisons_of_the_same_images_rank_once():
    tables = {
        name: {**summary(max=0.9, avg=0.8, sum=0.7), 'config': {'data': data}}
        for name, data in (('a', 'mnist'), ('b', 'cifar10'), ('c', 'cifar10'))
    }
    assert list(one_of_each_data_set(tables)) == ['a', 'b']
