"""What users bring to a config: classes and functions of their own, known by file and source.

A run's folder records the name of such an object, the file that defines it and a hash of that
file's definitions, so that a changed definition is never taken for a finished cell, and so that any
process can find the object again. Nothing is pickled.
"""

import ast
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from cnn_jax.errors import BadInput, one_line, require

BROUGHT = 'brought'
_PLACE = ('file', 'module')  # where it was found, which may differ from machine to machine


def record_of(thing: Callable) -> dict[str, str]:
    """The name, place and source of a class or function, as plain values.

    Raises BadInput for one that another process cannot find: see `file_of`.

    >>> from cnn_jax.data import make_shapes
    >>> sorted(record_of(make_shapes))
    ['brought', 'file', 'module', 'source']
    """
    file, name = file_of(thing), thing.__qualname__
    return {
        BROUGHT: name,
        'source': source_hash(file),
        'module': thing.__module__,
        'file': str(file),
    }


def file_of(thing: Callable) -> Path:
    """The file that defines a class or function at its top level; BadInput where none does."""
    require(
        inspect.isroutine(thing) or inspect.isclass(thing),
        f'{thing!r} must be a class or a function that a file defines.',
    )
    name, module = thing.__qualname__, sys.modules.get(thing.__module__)
    file = getattr(module, '__file__', None)
    if module is None or file is None or thing.__module__ == '__main__':
        raise BadInput(
            f'{name} is defined in a notebook or a shell, where worker processes cannot find it: '
            f'write it to a file (in a notebook: %%writefile mine.py) and import it.'
        )
    require(
        vars(module).get(name) is thing,
        f'{name} must be defined at the top level of {file}, under that name.',
    )
    return Path(file).resolve()


def found(record: Mapping[str, Any]) -> Any:
    """The object of that `record_of`; BadInput where it is gone, or not what it was."""
    name, file = str(record[BROUGHT]), Path(str(record['file']))
    require(file.is_file(), f'{name} was defined in {file}, which is not there: put it back.')
    module = _loaded(str(record['module']), file)
    require(hasattr(module, name), f'{file} defines no {name} any more: put it back.')
    require(
        source_hash(file) == record['source'],
        f'{file} is not what it was when the run recorded {name}: give another --output, '
        f'or put the old file back.',
    )
    return vars(module)[name]


def _loaded(name: str, file: Path) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ImportError:  # such as the name that `load_file` gives
        return load_file(file)
    same = module.__file__ is not None and Path(module.__file__).resolve() == file
    return module if same else load_file(file)


def load_file(file: Path) -> ModuleType:
    """The module that a Python file defines, read anew; what lies beside it can be imported."""
    file = file.resolve()
    if str(file.parent) not in sys.path:
        sys.path.append(str(file.parent))
    name = f'{file.stem} ({hashlib.sha256(str(file).encode()).hexdigest()[:8]})'
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def source_hash(file: Path) -> str:
    """16 hex digits for what a file and the files beside it that it imports define.

    Comments, layout, the file's docstring and the assignment to `config` do not count: a config
    with more seeds is the same definition.
    """
    digest, seen, waiting = hashlib.sha256(), set(), [file.resolve()]
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise BadInput(f'{path} cannot be read: {one_line(error)}.') from None
        body = [node for node in tree.body if not _is_config(node)]
        if body and ast.get_docstring(tree) is not None:
            body = body[1:]
        digest.update(''.join(ast.dump(node) for node in body).encode())
        waiting += sorted(_beside(tree, path.parent))
    return digest.hexdigest()[:16]


def _is_config(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, 'target', None)]
    return any(isinstance(target, ast.Name) and target.id == 'config' for target in targets)


def _beside(tree: ast.Module, folder: Path) -> set[Path]:
    """The files of that folder that a module imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or '', *(alias.name for alias in node.names)}
    files = {(folder / name.replace('.', '/')).with_suffix('.py') for name in names if name}
    return {file.resolve() for file in files if file.is_file()}


def without_places(values: Any) -> Any:
    """Plain values with records that say what was brought, not where it lies.

    >>> without_places({'model': {'brought': 'net', 'source': 'ab', 'file': '/x', 'module': 'm'}})
    {'model': {'brought': 'net', 'source': 'ab'}}
    """
    if isinstance(values, Mapping):
        gone = _PLACE if BROUGHT in values else ()
        return {k: without_places(v) for k, v in values.items() if k not in gone}
    if isinstance(values, list | tuple):
        return [without_places(value) for value in values]
    return values
