"""A report as Markdown, with the plots as links to the PNG files beside it."""

import re

from cnn_jax.reports.page import Block, Bullets, Link, Page, Paragraph, Picture, Table

PLOTS = 'plots'
"""The folder of the PNG files, beside `report.md`."""


def to_markdown(page: Page) -> str:
    """The page as Markdown (with GitHub's tables); no text is interpreted as markup.

    >>> print(to_markdown(Page('a|b', (Paragraph('It is *so*.'),), ())))
    # a\\|b
    <BLANKLINE>
    It is \\*so\\*.
    <BLANKLINE>
    """
    parts = [f'# {_plain(page.title)}', *(block_as_markdown(block) for block in page.lead)]
    for section in page.sections:
        parts += [
            f'## {_plain(section.title)}',
            *(block_as_markdown(block) for block in section.blocks),
        ]
    return '\n\n'.join(parts) + '\n'


def _plain(text: str) -> str:
    """Text on one line, with everything escaped that Markdown or HTML would interpret as markup."""
    text = re.sub(r'([\\`*\[\]<>|~$])', r'\\\1', ' '.join(text.split()))
    text = re.sub(r'&(?=#?\w+;)', '&amp;', text)
    return re.sub(r'(?<![^\W_])_|_(?![^\W_])', r'\\_', text)


def block_as_markdown(block: Block) -> str:
    """One block of a page as Markdown; a picture becomes a link to its file."""
    match block:
        case Paragraph(text, tone):
            return _plain(text) if tone == 'plain' else f'**{_plain(text)}**'
        case Link(text, file):
            return f'[{_plain(text)}]({file})'
        case Bullets(items):
            return '\n'.join(f'- **{_plain(term)}**: {_plain(text)}' for term, text in items)
        case Table():
            return _table(block)
        case Picture(name, _, alternative, caption):
            return f'![{_plain(alternative)}]({PLOTS}/{name})\n\n{_plain(caption)}'


def _table(table: Table) -> str:
    rule = ['---:' if column in table.numeric else '---' for column in range(len(table.head))]
    rows = [_row(table.head), f'| {" | ".join(rule)} |', *(_row(row) for row in table.rows)]
    caption = f'\n\n{_plain(table.caption)}' if table.caption else ''
    return '\n'.join(rows) + caption


def _row(cells: tuple[str, ...]) -> str:
    return f'| {" | ".join(_plain(cell) for cell in cells)} |'
