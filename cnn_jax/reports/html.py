"""A report as one self-contained HTML file: no scripts, nothing loaded, inline images."""

import base64
import struct
from html import escape

from cnn_jax.reports.page import Block, Bullets, Link, Page, Paragraph, Picture, Table

_STYLE = """
:root { color-scheme: light dark; --text: #1b1f24; --soft: #57606a; --page: #f6f7f9;
  --card: #ffffff; --line: #dfe3e8; --accent: #0b62a8; --warn: #9a5b00; --tint: #eaf3fb;
  --good: #00664b; --bad: #a83f00; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ed; --soft: #a3acb8; --page: #14171b;
  --card: #1d2126; --line: #343a42; --accent: #6cb6f5; --warn: #f0b35a; --tint: #1b2b3a;
  --good: #4fcf9f; --bad: #ff9a62; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2rem 1rem 4rem; background: var(--page); color: var(--text);
  font: 16px/1.55 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif; }
main { max-width: 1120px; margin: 0 auto; overflow-wrap: anywhere; }
h1 { font-size: 1.85rem; line-height: 1.2; margin: 0 0 1.1rem; }
h2 { font-size: 1.2rem; margin: 0 0 .8rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px;
  padding: 1.3rem 1.5rem; margin: 1.2rem 0; }
p { margin: .5rem 0; max-width: 75ch; }
p.answer { font-size: 1.22rem; line-height: 1.45; font-weight: 600; max-width: none;
  background: var(--tint); border-left: 4px solid var(--accent); border-radius: 6px;
  padding: .9rem 1.1rem; margin: 0 0 1rem; }
a { color: var(--accent); }
p.warning { color: var(--warn); font-weight: 600; }
.scroll { overflow-x: auto; margin: .9rem 0; }
table { border-collapse: collapse; font-size: .9rem; overflow-wrap: normal;
  font-variant-numeric: tabular-nums; min-width: 55%; }
caption { caption-side: bottom; text-align: left; color: var(--soft); padding-top: .5rem; }
th, td { text-align: left; padding: .38rem .65rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom;
  border-bottom-width: 2px; }
th:first-child, td:first-child { padding-left: 0; position: sticky; left: 0;
  background: var(--card); }
th:last-child, td:last-child { padding-right: 0; }
td { overflow-wrap: break-word; min-width: 3.2em; max-width: 34em; }
td:first-child { min-width: 6.5em; max-width: 17em; }
th.n, td.n { text-align: right; }
td.n, td.good, td.bad, td.open { white-space: nowrap; }
td.good { color: var(--good); font-weight: 600; }
td.bad { color: var(--bad); font-weight: 600; }
figure { margin: .4rem 0; }
figure img { display: block; max-width: 100%; height: auto; margin: 0 auto; background: #fff;
  border-radius: 8px; padding: 6px; }
.drawn svg { display: block; width: 100%; max-width: 46rem; height: auto; margin: 0 auto; }
.drawn text { font-family: system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif !important; }
figcaption { color: var(--soft); font-size: .92rem; margin-top: .6rem; max-width: 80ch; }
dl { margin: 0; }
dt { font-weight: 600; margin-top: .6rem; }
dd { margin: 0; max-width: 80ch; }
summary { cursor: pointer; color: var(--accent); }
@media (max-width: 600px) { body { padding: 1rem .6rem 3rem; } section { padding: 1rem .9rem; }
  h1 { font-size: 1.45rem; }  p.answer { font-size: 1.08rem; } th, td { padding: .35rem .5rem; } }
@media print { body { background: #fff; padding: 0; } section { break-inside: avoid; } }
"""


_TONES = {'▲': 'good', '▼': 'bad', '○': 'open'}


def to_html(page: Page) -> str:
    """The page as HTML; all text is escaped.

    >>> '<h1>a &lt;b&gt;</h1>' in to_html(Page('a <b>', (), ()))
    True
    """
    title = escape(page.title)
    sections = ''.join(
        f'<section>\n<h2>{escape(section.title)}</h2>\n{_blocks(section.blocks)}</section>\n'
        for section in page.sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n'
        f'<h1>{title}</h1>\n{_blocks(page.lead)}{sections}</main>\n</body>\n</html>\n'
    )


def _blocks(blocks: tuple[Block, ...]) -> str:
    return ''.join(_block(block) + '\n' for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Paragraph(text, tone):
            return f'<p class="{tone}">{escape(text)}</p>'
        case Link(text, file):
            return f'<p><a href="{escape(file)}">{escape(text)}</a></p>'
        case Bullets(items):
            rows = (f'<dt>{escape(term)}</dt><dd>{escape(text)}</dd>' for term, text in items)
            return f'<dl>{"".join(rows)}</dl>'
        case Table():
            return _table(block)
        case Picture(svg=drawn, alternative=alternative, caption=caption) if drawn:
            return (
                f'<figure><div class="drawn" role="img" aria-label="{escape(alternative)}">{drawn}'
                f'</div><figcaption>{escape(caption)}</figcaption></figure>'
            )
        case Picture(_, png, alternative, caption):
            source = base64.b64encode(png).decode('ascii')
            width, height = struct.unpack('>II', png[16:24])
            # Drawn at 160 dots per inch and shown at 125: sharp, and small enough for the page.
            return (
                f'<figure><div class="scroll" tabindex="0"><img alt="{escape(alternative)}" '
                f'width="{width * 125 // 160}" height="{height * 125 // 160}" '
                f'style="min-width: {width * 70 // 160}px" '
                f'src="data:image/png;base64,{source}"></div>'
                f'<figcaption>{escape(caption)}</figcaption></figure>'
            )


def _table(table: Table) -> str:
    head = ''.join(_cell('th', column in table.numeric, n) for column, n in enumerate(table.head))
    rows = ''.join(
        f'<tr>{"".join(_cell("td", column in table.numeric, t) for column, t in enumerate(row))}'
        '</tr>\n'
        for row in table.rows
    )
    folded, caption = table.folded, escape(table.caption)
    below = f'<caption>{caption}</caption>' if caption and not folded else ''
    whole = (
        f'<div class="scroll" tabindex="0"><table>{below}<thead><tr>{head}</tr></thead>\n'
        f'<tbody>\n{rows}</tbody></table></div>'
    )
    return f'<details><summary>{caption}</summary>{whole}</details>' if folded else whole


def _cell(tag: str, numeric: bool, text: str) -> str:
    classes = 'n' if numeric else _TONES.get(text[:1], '')
    scope = ' scope="col"' if tag == 'th' else ''
    shown = f' class="{classes}"' if classes else ''
    return f'<{tag}{scope}{shown}>{escape(text)}</{tag}>'
