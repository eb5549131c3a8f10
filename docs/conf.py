"""How Sphinx builds these pages: `make docs` writes them to docs/_build/html."""

import inspect
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(ROOT), str(HERE)]

import tables  # noqa: E402

from cnn_jax.version import package_version  # noqa: E402

project = 'cnn_jax'
author = copyright = 'the authors of cnn_jax'
version = release = package_version()
extensions = ['myst_nb', 'sphinx.ext.autodoc', 'sphinx.ext.napoleon', 'sphinx_design']
exclude_patterns = ['_build', '_generated/*.md']
html_theme = 'sphinx_book_theme'
html_title = 'cnn_jax'
html_static_path = ['_static']
html_css_files = ['pages.css']
html_theme_options = {
    'show_toc_level': 2,
    'use_download_button': False,
    'navbar_persistent': [],  # the search is in the side bar
}
myst_enable_extensions = ['colon_fence']
myst_heading_anchors = 3
nb_execution_mode = 'off'  # the tests execute the notebooks; their outputs are stored
suppress_warnings = ['misc.highlighting_failure']
default_role = 'code'  # docstrings write `names` as in Markdown
napoleon_use_ivar = True
autodoc_member_order = 'bysource'
autodoc_typehints_format = 'short'
python_use_unqualified_type_names = True
add_module_names = False

_LITERAL = re.compile(r'(`[^`]+`)')


def _escape(line: str) -> str:
    """`*`, `|` and a trailing `_` outside of literals are plain characters."""
    parts = _LITERAL.split(line)
    plain = (re.sub(r'(?<=\w)_(?=\W|$)', r'\\_', re.sub(r'([*|])', r'\\\1', p)) for p in parts[::2])
    return ''.join(a + b for a, b in zip(plain, [*parts[1::2], ''], strict=True))


def _plain_docstring(app, what, name, obj, options, lines: list[str]) -> None:
    """Our docstrings are plain text with `names`, indented formulas and doctests."""
    out: list[str] = []
    in_example = in_block = False
    for line in lines:
        starts_example = line.lstrip().startswith('>>>')
        in_example = (in_example or starts_example) and bool(line.strip())
        indented = line.startswith('    ') and not in_example
        if indented and not in_block and out and not out[-1].strip() and not _in_section(out):
            out += ['::', '']
            in_block = True
        elif line.strip() and not line.startswith('    '):
            in_block = False
        out.append(line if in_example or in_block else _escape(line))
    lines[:] = out


def _in_section(lines: list[str]) -> bool:
    """Whether the last unindented line is the heading of a section such as 'Attributes:'."""
    heads = [line for line in lines if line.strip() and not line.startswith(' ')]
    return bool(heads) and re.fullmatch(r'(\.\. .*|\w+:|:.*)', heads[-1].strip()) is not None


def _plain_signature(app, what, name, obj, options, signature, returns):
    """Dataclasses whose annotations hold checks show only names and defaults."""
    if what != 'class' or 'Annotated' not in (signature or ''):
        return None
    known = inspect.signature(obj)
    bare = [p.replace(annotation=inspect.Parameter.empty) for p in known.parameters.values()]
    return str(known.replace(parameters=bare, return_annotation=known.empty)), returns


def setup(app) -> None:
    """Writes tables and copies notebooks before Sphinx reads the pages."""
    generated = HERE / '_generated'
    tables.write_all(generated)
    for notebook in (ROOT / 'experiments' / 'notebooks').glob('*.ipynb'):
        shutil.copy(notebook, generated)
    app.connect('autodoc-process-docstring', _plain_docstring)
    app.connect('autodoc-process-signature', _plain_signature)
