"""A report as plain values: sections of blocks, which html.py and markdown.py render."""

from dataclasses import dataclass
from typing import Any, Literal

Tone = Literal['plain', 'answer', 'warning']


@dataclass(frozen=True)
class Paragraph:
    """One paragraph of plain text (without markup)."""

    text: str
    tone: Tone = 'plain'


@dataclass(frozen=True)
class Link:
    """A link to another file, with a path relative to the page."""

    text: str
    file: str


@dataclass(frozen=True)
class Bullets:
    """A list; each item is a term and its explanation, all plain text."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Table:
    """A table of plain text; `numeric` columns are right-aligned, a `folded` one opens on click."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    caption: str = ''
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A plot: its file name under `plots/`, the PNG file's bytes, and a description.

    `svg` is the same plot as an element of the page, whose colours it follows.
    """

    name: str
    png: bytes
    alternative: str
    caption: str
    svg: str = ''


Block = Paragraph | Link | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and its content."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report: title, lead and sections."""

    title: str
    lead: tuple[Block, ...]
    sections: tuple[Section, ...]

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """All plots of the page, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return tuple(block for block in blocks if isinstance(block, Picture))


def flatten(tree: Any, prefix: str = '') -> list[tuple[str, str]]:
    """Nested JSON values as (dotted key, text) rows, in order; short lists stay on one line.

    >>> flatten({'seeds': [0, 1], 'optimizer': {'name': 'adam', 'clip': None}})
    [('seeds', '0, 1'), ('optimizer.name', 'adam'), ('optimizer.clip', 'none')]
    """
    if isinstance(tree, dict) and tree:
        parts = [(f'{prefix}.{key}' if prefix else str(key), value) for key, value in tree.items()]
    elif isinstance(tree, list) and any(isinstance(value, dict | list) for value in tree):
        parts = [(f'{prefix}[{index}]', value) for index, value in enumerate(tree)]
    else:
        return [(prefix, _words(tree))]
    return [row for key, value in parts for row in flatten(value, key)]


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ', '.join(_words(item) for item in value) or 'none'
    if isinstance(value, bool):
        return 'yes' if value else 'no'
    return 'none' if value is None or value == {} else str(value)
