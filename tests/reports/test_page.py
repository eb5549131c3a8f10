"""The report's content: sections, protocol, environment and the cells left out."""

import json
from pathlib import Path

from cnn_jax.reports.page import Bullets, Page, Paragraph, Table, flatten
from cnn_jax.reports.protocol import (
    environment_differences,
    environment_section,
    leftover_cells,
    protocol,
)
from cnn_jax.reports.run import read_run
from cnn_jax.reports.sections import build_page
from cnn_jax.reports.summary import summarize_run
from tests.reports.fake_run import FIVE, fake_run, write_json


def page_of(folder: Path) -> Page:
    run = read_run(folder)
    return build_page(run, summarize_run(run))


def texts(page: Page, title: str) -> str:
    (section,) = [section for section in page.sections if section.title == title]
    return repr(section.blocks)


def test_everything_is_there(tmp_path: Path):
    page = page_of(fake_run(tmp_path))
    assert [section.title for section in page.sections] == [
        'Difference from max',
        'Results',
        'Accuracy against shift consistency',
        'Learning curves',
        'Shift maps',
        'More measures',
        'Where the spread comes from',
        'Cost',
        'Every seed',
        'How to read this',
        'Protocol',
        'Environment',
        'Missing and diverged cells',
    ]
    assert [picture.name for picture in page.pictures] == [
        'differences.png',
        'accuracy_consistency.png',
        'learning_curves.png',
        'shift_maps.png',
        'cost.png',
    ]
    assert page.lead[0] == Paragraph(
        'Compared with max over 3 paired seeds, avg, stride, max_blur3 and max_blur5 are less '
        'accurate and more shift-consistent.',
        'answer',
    )
    results = page.sections[1].blocks[0]
    assert isinstance(results, Table)
    assert [row[0] for row in results.rows] == list(FIVE)
    assert '95% t-intervals' in texts(page, 'Accuracy against shift consistency')
    assert 'lowest to the highest seed' in texts(page, 'Learning curves')
    assert 'max varies most' in texts(page, 'Shift maps')
    assert 'from -3 to 3 pixels' in texts(page, 'How to read this')
    assert 'worst-shift accuracy' in texts(page, 'More measures')


def test_tables_are_rectangular(tmp_path: Path):
    page = page_of(fake_run(tmp_path, missing=[('avg', 1)], diverged=[('stride', 2)]))
    note = '13 of 15 cells completed; 1 not finished, 1 diverged: left out of every mean and '
    assert page.lead[-1] == Paragraph(f'{note}comparison.', 'warning')
    for section in page.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                assert {len(row) for row in block.rows} == {len(block.head)}
                assert all(column < len(block.head) for column in block.numeric)
            if isinstance(block, Bullets):
                assert all(term and text for term, text in block.items)


def test_one_seed_promises_no_bars_and_no_bands(tmp_path: Path):
    page = page_of(fake_run(tmp_path, ('max',), (0,)))
    assert 'no error bars' in texts(page, 'Accuracy against shift consistency')
    assert 'no bands' in texts(page, 'Learning curves')
    assert 'No differences' in texts(page, 'Results')


def test_what_was_judged_is_said(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0,))
    content = json.loads((tmp_path / 'comparison.json').read_text())
    content['config']['evaluation'] = {'max_shift': 2, 'border': 'circular'}
    write_json(tmp_path / 'comparison.json', content)
    log = tmp_path / 'cells' / '000000' / 'metrics.jsonl'
    log.write_text(log.read_text().replace('"test"', '"validation"'))
    page = page_of(tmp_path)
    assert 'Accuracy is that of the validation images' in texts(page, 'Learning curves')
    assert 'from -2 to 2 pixels' in texts(page, 'How to read this')
    assert 'The border is circular' in texts(page, 'How to read this')
    assert 'validation' not in texts(page, 'How to read this')


def test_nothing_finished_still_makes_a_page(tmp_path: Path):
    page = page_of(fake_run(tmp_path, ('max',), (0,), missing=[('max', 0)]))
    assert page.pictures == ()
    assert 'not finished' in texts(page, 'Missing and diverged cells')


def test_a_cell_without_logs_maps_or_environment(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0,))
    for name in ('metrics.jsonl', 'predictions.npz', 'environment.json'):
        (tmp_path / 'cells' / '000000' / name).unlink()
    page = page_of(tmp_path)
    assert 'No epoch was logged' in texts(page, 'Learning curves')
    assert 'No shift maps were kept' in texts(page, 'Shift maps')
    assert 'None was recorded' in texts(page, 'Environment')


def test_protocol_lists_recipe_and_strategies(tmp_path: Path):
    section = protocol(read_run(fake_run(tmp_path)))
    sentence, recipe, strategies = section.blocks
    assert isinstance(sentence, Paragraph)
    assert isinstance(recipe, Table)
    assert isinstance(strategies, Table)
    assert '5 strategies × 3 seeds = 15 cells' in sentence.text
    assert ('optimizer.learning_rate', '0.001') in recipe.rows
    assert ('evaluation.max_shift', '3') in recipe.rows
    assert ('max_blur3', 'name = max_blur3, window = 2') in strategies.rows


def test_leftover_cells_say_what_happened(tmp_path: Path):
    fake_run(tmp_path, ('max', 'avg'), (0, 1), missing=[('max', 1)], diverged=[('avg', 0)])
    (table,) = leftover_cells(read_run(tmp_path)).blocks
    assert isinstance(table, Table)
    assert table.rows == (
        ('max', '1', 'not finished', 'run the comparison again'),
        ('avg', '0', 'diverged at step 712', 'loss is nan'),
    )


def test_environments_that_differ_are_told(tmp_path: Path):
    fake_run(tmp_path, ('max',), (0, 1, 2, 3), diverged=[('max', 3)])
    write_json(tmp_path / 'cells' / '000003' / 'environment.json', {'python': '3.11.0'})
    assert environment_differences(read_run(tmp_path)) == ''
    for seed, cores in ((1, 64), (2, 128)):
        path = tmp_path / 'cells' / f'00000{seed}' / 'environment.json'
        content = json.loads(path.read_text())
        content['hardware']['cores'] = cores
        content['started'] = seed  # Always differs, and says nothing.
        write_json(path, content)
    run = read_run(tmp_path)
    assert environment_differences(run) == 'hardware.cores'
    warning = environment_section(run, summarize_run(run)).blocks[0]
    assert isinstance(warning, Paragraph)
    assert 'differ in hardware.cores. Do not compare their images/s.' in warning.text


def test_flatten():
    tree = {'a': {'b': [1, 2], 'c': {}}, 'd': [{'e': True}, {'e': False}], 'f': []}
    assert flatten(tree) == [
        ('a.b', '1, 2'),
        ('a.c', 'none'),
        ('d[0].e', 'yes'),
        ('d[1].e', 'no'),
        ('f', 'none'),
    ]
