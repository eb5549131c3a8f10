"""The Markdown report: tables keep their columns and no text becomes markup."""

import pytest

from cnn_jax.reports.markdown import to_markdown
from cnn_jax.reports.page import Bullets, Page, Paragraph, Picture, Section, Table


def test_blocks():
    table = Table(('a', 'b'), (('x|y', '1'), ('two\nlines', '2')), frozenset((1,)), 'cap')
    picture = Picture('cost.png', b'', 'the cost', 'in images')
    section = Section('s', (Bullets((('p', 'a value'),)), table, picture))
    assert to_markdown(Page('t', (Paragraph('yes', 'answer'), Paragraph('so')), (section,))) == (
        '# t\n\n**yes**\n\nso\n\n## s\n\n- **p**: a value\n\n'
        '| a | b |\n| --- | ---: |\n| x\\|y | 1 |\n| two lines | 2 |\n\ncap\n\n'
        '![the cost](plots/cost.png)\n\nin images\n'
    )


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ('max_blur3', 'max_blur3'),
        ('_max_', r'\_max\_'),
        ('<b>*a*</b>', r'\<b\>\*a\*\</b\>'),
        ('[a](b)', r'\[a\](b)'),
        ('a `b` $c$ ~d~ \\', r'a \`b\` \$c\$ \~d\~ \\'),
        ('&lt; & more', '&amp;lt; & more'),
    ],
)
def test_text_stays_text(given: str, expected: str):
    assert to_markdown(Page('t', (Paragraph(given),), ())) == f'# t\n\n{expected}\n'
