"""The HTML page: well formed, self-contained, and no text from a file becomes markup."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path

from matplotlib.figure import Figure

from cnn_jax.reports.html import to_html
from cnn_jax.reports.page import Bullets, Page, Paragraph, Picture, Section, Table
from cnn_jax.reports.run import read_run
from cnn_jax.reports.sections import build_page
from cnn_jax.reports.summary import summarize_run
from cnn_jax.style import png
from tests.reports.fake_run import fake_run, write_json

EVIL = '<script>alert("1")</script>&\'"$x$|*b*'
VOID = {'meta', 'img'}


class Checker(HTMLParser):
    """Collects tags, attributes and text; fails where tags do not nest."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ''

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or '') for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


def test_everything_from_files_is_escaped(tmp_path: Path):
    fake_run(tmp_path, (EVIL, 'max'), (0, 1), missing=[('max', 0)], title=EVIL)
    for cell in (tmp_path / 'cells').iterdir():
        write_json(cell / 'environment.json', {EVIL: EVIL, 'packages': {EVIL: EVIL}})
        if cell.name == '001001':
            write_json(cell / 'result.json', {'status': 'diverged', 'step': 1, 'message': EVIL})
    run = read_run(tmp_path)
    text = to_html(build_page(run, summarize_run(run)))
    checker = check(text)
    assert 'script' not in checker.tags
    assert checker.text.count(EVIL) > 10
    assert not any(name.startswith('on') for name, _ in checker.attributes)


def test_nothing_is_fetched(tmp_path: Path):
    run = read_run(fake_run(tmp_path, ('max', 'avg'), (0, 1)))
    page = build_page(run, summarize_run(run))
    text = to_html(page)
    attributes = check(text).attributes
    links = [v for name, v in attributes if name.removeprefix('xlink:') in ('src', 'href')]
    assert len(links) > 4 and len(page.pictures) == 5
    assert all(link.startswith(('#', 'data:image/png;base64,')) for link in links)
    assert not re.search(r'https?:|url\((?!#)|@import', text)
    ids = [value for name, value in check(text).attributes if name == 'id']
    assert len(ids) == len(set(ids))
    (labelled,) = {v for n, v in check(text).attributes if n == 'role'}
    assert labelled == 'img'


def test_a_picture_without_a_drawing_is_its_file():
    image = png(Figure(figsize=(1, 1)))
    text = to_html(Page('t', (), (Section('s', (Picture('a.png', image, 'what', 'cap'),)),)))
    (link,) = [value for name, value in check(text).attributes if name == 'src']
    start, _, content = link.partition(',')
    assert start == 'data:image/png;base64' and base64.b64decode(content) == image


def test_blocks():
    table = Table(('a', 'b'), (('▲ better', '1'), ('○ undecided', '2')), frozenset((1,)), 'cap')
    folded = Table(('c',), (('3',),), caption='open me', folded=True)
    blocks = (Paragraph('careful', 'warning'), Bullets((('p', 'a value'),)), table, folded)
    text = to_html(Page('t', (Paragraph('yes', 'answer'),), (Section('s', blocks),)))
    check(text)
    for part in (
        '<p class="answer">yes</p>',
        '<h2>s</h2>',
        '<p class="warning">careful</p>',
        '<dt>p</dt><dd>a value</dd>',
        '<th scope="col" class="n">b</th>',
        '<td class="good">▲ better</td><td class="n">1</td>',
        '<caption>cap</caption>',
        '<details><summary>open me</summary>',
    ):
        assert part in text


def test_pictures_state_their_size_and_meaning():
    header = b'\x89PNG\r\n\x1a\n' + b'\0\0\0\rIHDR' + (1280).to_bytes(4) + (640).to_bytes(4)
    picture = Picture('a.png', header, 'what "it" shows', 'caption')
    text = to_html(Page('t', (), (Section('s', (picture,)),)))
    attributes = dict(check(text).attributes)
    assert (attributes['width'], attributes['height']) == ('1000', '500')
    assert attributes['alt'] == 'what "it" shows'
