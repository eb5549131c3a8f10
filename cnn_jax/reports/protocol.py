"""The sections for checking or repeating a run: protocol, environment, leftover cells."""

from collections.abc import Mapping
from typing import Any

from cnn_jax.reports.page import Paragraph, Section, Table, flatten
from cnn_jax.reports.run import Run
from cnn_jax.reports.words import NONE, count, plural

_COMPARED = (
    'packages',
    'python',
    'git',
    'hardware',
    'flags',
    'data_fingerprint',
    'trust_backend',
)


def protocol(run: Run) -> Section:
    """How the cells were trained and evaluated: a sentence, the recipe and the strategies.

    >>> from pathlib import Path
    >>> section = protocol(Run(Path(), {'epochs': 3}, (), ()))
    >>> [block.rows for block in section.blocks if isinstance(block, Table)]
    [(('epochs', '3'),)]
    """
    seeds = {cell.seed for cell in run.cells}
    sentence = (
        f'{_strategies(len(run.strategies))} × {plural(len(seeds), "seed")} = '
        f'{plural(len(run.cells), "cell")}. Every strategy is trained with the same seeds, data '
        'order and recipe; only the downsampling differs.'
    )
    strategies = run.config.get('strategies')
    recipe = {k: v for k, v in run.config.items() if k not in ('title', 'strategies')}
    blocks = [
        Paragraph(sentence),
        Table(('setting', 'value'), tuple(flatten(recipe)) if recipe else ()),
    ]
    if isinstance(strategies, dict):
        rows = tuple((str(name), _fields(fields)) for name, fields in strategies.items())
        blocks.append(Table(('strategy', 'definition'), rows))
    return Section('Protocol', tuple(blocks))


def environment_section(run: Run, summary: Mapping[str, Any]) -> Section:
    """Packages, revision and hardware of the first completed cell, and where others differ.

    >>> from pathlib import Path
    >>> summary = {'environment': {'python': '3.13.0'}}
    >>> section = environment_section(Run(Path(), {}, (), ()), summary)
    >>> section.blocks[-1].rows
    (('python', '3.13.0'),)
    """
    blocks: list[Paragraph | Table] = []
    differing = environment_differences(run)
    if differing:
        text = f'The completed cells do not share one environment; they differ in {differing}.'
        if 'hardware' in differing:
            text += ' Do not compare their images/s.'
        blocks.append(Paragraph(text, 'warning'))
    unchecked = sum(not cell.checked for cell in run.cells)
    if unchecked:
        blocks.append(
            Paragraph(
                f'{plural(unchecked, "cell")} of an early version of cnn_jax hold no checksums: '
                'damage to their files cannot be seen.',
                'warning',
            )
        )
    shown = dict(summary['environment'])
    if not shown:
        return Section('Environment', (*blocks, Paragraph('None was recorded.')))
    return Section('Environment', (*blocks, Table(('item', 'value'), tuple(flatten(shown)))))


def environment_differences(run: Run) -> str:
    """The names of the entries that differ between completed cells' environments, or ''.

    >>> from pathlib import Path
    >>> environment_differences(Run(Path(), {}, (), ()))
    ''
    """
    cells = [dict(cell.environment) for cell in run.cells if cell.status == 'completed']
    flat = [dict(flatten({key: cell.get(key) for key in _COMPARED})) for cell in cells]
    keys = dict.fromkeys(key for rows in flat for key in rows)
    return ', '.join(key for key in keys if len({rows.get(key) for rows in flat}) > 1)


def leftover_cells(run: Run) -> Section:
    """The cells left out of every mean: unfinished, failed, or stopped by a non-finite loss.

    >>> from pathlib import Path
    >>> leftover_cells(Run(Path(), {}, (), ())).blocks[0].text
    'None: every cell completed.'
    """
    rows = []
    for cell in run.cells:
        if cell.status == 'missing':
            rows.append((cell.strategy, str(cell.seed), 'not finished', 'run the comparison again'))
        elif cell.status == 'failed':
            message = str(cell.result.get('message') or NONE)
            rows.append((cell.strategy, str(cell.seed), 'failed', message))
        elif cell.status == 'diverged':
            step, message = cell.result.get('step'), cell.result.get('message')
            at = f'step {count(step)}' if isinstance(step, int) else NONE
            rows.append((cell.strategy, str(cell.seed), f'diverged at {at}', str(message or NONE)))
    title = 'Missing and diverged cells'
    if not rows:
        return Section(title, (Paragraph('None: every cell completed.'),))
    head = ('strategy', 'seed', 'state', 'note')
    return Section(title, (Table(head, tuple(rows), numeric=frozenset((1,))),))


def _strategies(number: int) -> str:
    return '1 strategy' if number == 1 else f'{number} strategies'


def _fields(fields: Any) -> str:
    return ', '.join(f'{key} = {value}' if key else value for key, value in flatten(fields))
