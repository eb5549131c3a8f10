"""Tables and figures for papers."""

import csv
import io
from pathlib import Path

import pytest

from cnn_jax.reports import export, read_run, summarize_run
from cnn_jax.reports.exports import FIGURES, to_latex
from tests.reports.fake_run import fake_run


def test_csv_holds_every_seed_and_metric(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), (0, 1, 2), missing=[('avg', 1)])
    (file,) = export(tmp_path, 'csv')
    rows = list(csv.DictReader(io.StringIO(file.read_text())))
    assert [(row['strategy'], row['seed']) for row in rows] == [
        ('max', '0'),
        ('max', '1'),
        ('max', '2'),
        ('avg', '0'),
        ('avg', '2'),
    ]
    summary = summarize_run(read_run(tmp_path))['strategies']['avg']
    assert [float(row['accuracy']) for row in rows[3:]] == summary['accuracy']['values']
    assert [float(row['consistency']) for row in rows[3:]] == summary['consistency']['values']


def test_latex_is_a_table_whose_names_are_text(tmp_path: Path):
    fake_run(tmp_path, ('max', 'max_blur$3%'), tuple(range(6)))
    (file,) = export(tmp_path, 'latex')
    text = file.read_text()
    lines = text.splitlines()
    assert lines[0] == r'\begin{tabular}{lrrrr}' and lines[-1] == r'\end{tabular}'
    body = [line for line in lines if line.endswith(r'\\')]
    assert {line.count(' & ') for line in body} == {4}
    assert body[2].startswith(r'max\_blur\$3\% & $') and text.count('{') == text.count('}')
    assert body[1].split(' & ')[2] == '--'


def test_what_was_not_measured_is_a_dash(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), (0,), missing=[('avg', 0)])
    text = to_latex(summarize_run(read_run(tmp_path)))
    assert r'avg & -- & -- & -- & -- \\' in text


def test_a_metric_of_ones_own_has_its_columns():
    share = {'mean': 0.9, 'ci95': [0.88, 0.92], 'values': [0.9, 0.9]}
    row = {'accuracy': share, 'consistency': share, 'nats_100%': {'mean': 3.25, 'ci95': [3.0, 3.5]}}
    found = {'strategy': 'avg', 'metric': 'nats_100%', 'difference': -0.125, 'verdict': 'worse'}
    summary = {'strategies': {'avg': row}, 'comparisons': [found]}
    lines = to_latex(summary, ('nats_100%',)).splitlines()
    assert lines[0] == r'\begin{tabular}{lrrrrrr}'
    assert lines[2].endswith(r'& nats\_100\% & difference \\')
    assert lines[4].endswith(r'& $3.25 \pm 0.25$ & ${-0.125}^{*}$ \\')
    none = {**row, 'nats_100%': {'mean': None, 'ci95': None}}
    assert (
        to_latex({'strategies': {'avg': none}, 'comparisons': []}, ('nats_100%',)).count('--') == 4
    )


@pytest.mark.parametrize('form, start', [('svg', b'<?xml'), ('pdf', b'%PDF')])
def test_figures_are_files_of_that_kind_and_always_the_same(tmp_path: Path, form, start):
    fake_run(tmp_path, ('max', 'avg'), (0, 1))
    first = {path.name: path.read_bytes() for path in export(tmp_path, form)}
    assert set(first) == {f'{name}.{form}' for name in (*FIGURES, 'learning_curves')}
    assert all(content.startswith(start) for content in first.values())
    assert b'/Type3' not in b''.join(first.values())
    again = {path.name: path.read_bytes() for path in export(tmp_path, form)}
    assert again == first


def test_one_strategy_has_no_differences(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0, 1))
    assert 'differences.svg' not in {path.name for path in export(tmp_path, 'svg')}


def test_latex_gives_the_ends_of_an_interval_that_is_cut_off():
    cut = {'mean': 0.995, 'ci95': [0.97, 1.0], 'values': [0.99, 1.0]}
    tiny = {'mean': 1.5e-05, 'ci95': [1.4e-05, 1.6e-05], 'values': [1.4e-05, 1.6e-05]}
    row = {'accuracy': cut, 'consistency': cut, 'mine': tiny, 'seeds': [0, 1]}
    comparison = {'strategy': 'a', 'metric': 'mine', 'difference': -2e-05, 'verdict': 'worse'}
    text = to_latex({'strategies': {'a': row}, 'comparisons': [comparison]}, ('mine',))
    assert r'$99.50\ [97.00, 100.00]$' in text and r'\pm 0.5$' not in text
    assert r'$1.5 \times 10^{-5} \pm 1 \times 10^{-6}$' in text
    assert r'${-2 \times 10^{-5}}^{*}$' in text  # two superscripts in a row are an error


def test_latex_holds_names_with_any_character():
    spread = {'mean': 0.9, 'ci95': None, 'values': [0.9]}
    row = {'accuracy': spread, 'consistency': spread, 'seeds': [0]}
    line = to_latex({'strategies': {'a<b>^|"~': row}, 'comparisons': []}).splitlines()[4]
    name = r'a\textless{}b\textgreater{}\^{}\textbar{}\char`\"{}\~{}'
    assert line.startswith(f'{name} & ')
