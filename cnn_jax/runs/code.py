"""Which code a cell's numbers come from."""

import ast
import functools
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_ROOMS = ('ops', 'strategies', 'layers', 'models', 'training', 'evaluation', 'data')
_FILES = ('streams.py', 'runs/setup.py', 'runs/final.py', 'runs/tasks/*.py', 'inspection/*.py')


@functools.lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """16 hex digits over all code that a cell's numbers depend on, without its docstrings.

    Comments, messages' line breaks and docstrings of modules, classes and functions do not count;
    every other change does, whether it moves a number or not.

    >>> len(code_fingerprint())
    16
    """
    paths = [path for room in _ROOMS for path in (_PACKAGE / room).rglob('*.py')]
    paths += [path for pattern in _FILES for path in _PACKAGE.glob(pattern)]
    whole = hashlib.sha256()
    for path in sorted(paths):
        tree = ast.parse(path.read_bytes())
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = node.body[0] if node.body else None
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    node.body = node.body[1:] or [ast.Pass()]
        whole.update(f'{path.relative_to(_PACKAGE)}\n{ast.unparse(tree)}\n'.encode())
    return whole.hexdigest()[:16]
