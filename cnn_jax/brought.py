"""What users bring to a config: classes and functions of their own, known by file and source.

A run's folder records the name of such an object, the file that defines it and a hash of all that
the file and the user's files that it imports define. So a changed definition is never taken for a
finished cell, and any process can find the object again. Nothing is pickled.
"""

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import site
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from cnn_jax.errors import BadInput, one_line, require

BROUGHT = 'brought'
_PLACE = ('file', 'module')  # where it was found, which may differ from machine to machine
_HASH = '__source_hash__'  # of a module, taken when it was loaded


def record_of(thing: Callable) -> dict[str, dict[str, str]]:
    """The name, place and source of a class or function, as plain values.

    Raises BadInput for one that another process cannot find: see `module_of`.

    >>> from cnn_jax.data import make_shapes
    >>> sorted(record_of(make_shapes)['brought'])
    ['file', 'module', 'name', 'source']
    """
    module = module_of(thing)
    file = str(Path(str(module.__file__)).resolve())
    place = {'module': thing.__module__, 'file': file}
    return {BROUGHT: {'name': thing.__qualname__, 'source': _hash_of(module), **place}}


def module_of(thing: Callable) -> ModuleType:
    """The module that defines a class or function at its top level; BadInput where none does."""
    require(
        inspect.isroutine(thing) or inspect.isclass(thing),
        f'{repr(thing)[:80]} must be a class or a function that a file defines.',
    )
    name, module = thing.__qualname__, sys.modules.get(thing.__module__)
    if getattr(module, '__file__', None) is None or thing.__module__ == '__main__':
        raise BadInput(
            f'{name} is defined in a notebook or a shell, where worker processes cannot find it: '
            f'write it to a file (in a notebook: %%writefile mine.py) and import it.'
        )
    assert module is not None
    require(
        vars(module).get(name) is thing,
        f'{name} must be defined at the top level of {module.__file__}, under that name.',
    )
    return module


def found(record: Mapping[str, Any]) -> Any:
    """The object of that `record_of`; BadInput where it is gone, or not what it was.

    Nothing of a file is run before it is known to be the one that was recorded.
    """
    brought = record[BROUGHT]
    name, file = str(brought['name']), Path(str(brought['file']))
    require(file.is_file(), f'{name} was defined in {file}, which is not there: put it back.')
    changed = BadInput(
        f'{file}, or a file that it imports, is not what it was when the run recorded {name}: '
        f'give another --output, or put the old one back.'
    )
    module = sys.modules.get(str(brought['module']))
    if module is None or Path(str(module.__file__)).resolve() != file:
        depth = str(brought['module']).count('.') + (file.name == '__init__.py')
        _import_from(file.parents[depth])
        if source_hash(file, str(brought['module'])) != brought['source']:
            raise changed
        module = _loaded(str(brought['module']), file)
    elif _hash_of(module) != brought['source']:
        raise changed
    require(hasattr(module, name), f'{file} defines no {name} any more: put it back.')
    return vars(module)[name]


def _loaded(name: str, file: Path) -> ModuleType:
    try:
        module = importlib.import_module(name)
        if module.__file__ is not None and Path(module.__file__).resolve() == file:
            return module
    except ImportError:  # such as the name that `load_file` gives
        pass
    try:
        return load_file(file)
    except Exception as error:
        raise BadInput(f'{file} cannot be imported: {one_line(error)}') from None


def load_file(file: Path) -> ModuleType:
    """The module that a Python file defines, read anew; what lies beside it can be imported."""
    file = file.resolve()
    require(file.suffix == '.py', f'{file} must be a Python file, NAME.py.')
    _import_from(file.parent)
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
    _hash_of(module)
    return module


def _import_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _hash_of(module: ModuleType) -> str:
    """The `source_hash` of a module, taken once: of what runs, not of what lies there later."""
    if _HASH not in vars(module):
        name = module.__name__
        vars(module)[_HASH] = source_hash(Path(str(module.__file__)).resolve(), name)
    return vars(module)[_HASH]


def source_hash(file: Path, name: str = '') -> str:
    """16 hex digits for what a file, and the user's files that it imports, define.

    Comments, layout, docstrings of files and, in the first file, `config = Comparison(...)` do not
    count: a config with more seeds is the same definition. Nor do the standard library, what is
    installed, and this package. `name` is that of the file's module, for relative imports.
    """
    digest, seen, waiting = hashlib.sha256(), set(), [(file.resolve(), name)]
    while waiting:
        path, module = waiting.pop()
        if path in seen:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError) as error:
            raise BadInput(f'{path} cannot be read: {one_line(error)}.') from None
        body = [node for node in tree.body if seen or not _is_config(node)]
        if body and ast.get_docstring(tree) is not None:
            body = body[1:]
        seen.add(path)
        digest.update(''.join(map(_dumped, body)).encode())
        waiting += sorted(_imported(tree, module, package=path.name == '__init__.py'))
    return digest.hexdigest()[:16]


def _dumped(node: ast.stmt) -> str:
    """The same text in every Python version that is supported."""
    options: dict[str, Any] = {'show_empty': True} if sys.version_info >= (3, 13) else {}
    return ast.dump(node, **options).replace(', type_params=[]', '')


def _is_config(node: ast.stmt) -> bool:
    """Whether it is `config = Comparison(...)`, or `replace(...)` of another one."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
        return False
    called = ast.unparse(node.value.func).rpartition('.')[2]
    names = [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names == ['config'] and called in ('Comparison', 'replace')


def _imported(tree: ast.Module, module: str, *, package: bool) -> Iterator[tuple[Path, str]]:
    """The user's files that a module imports, packages on the way included, and their names."""
    parent = module if package else module.rpartition('.')[0]
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = parent.split('.')[: len(parent.split('.')) - node.level + 1]
            start = '.'.join(
                [*(above if node.level else ()), *([node.module] if node.module else ())]
            )
            names = [start, *(f'{start}.{alias.name}' for alias in node.names)]
        for name in names:
            yield from _files(name)


def _files(name: str) -> Iterator[tuple[Path, str]]:
    """The user's files that importing `name` runs, found without running any."""
    path, parts = None, name.split('.')
    for depth, part in enumerate(parts, start=1):
        known = '.'.join(parts[:depth])
        inside = [str(Path(place) / part) for place in path or sys.path]
        try:
            spec = PathFinder.find_spec(known, path)
        except (ImportError, ValueError, AttributeError):
            return
        except KeyError:  # a folder without __init__.py in another, which was not imported
            path = [place for place in inside if Path(place).is_dir()]
            continue
        if spec is None:
            return
        if spec.origin is not None and spec.origin.endswith('.py'):
            file = Path(spec.origin).resolve()
            if any(file.is_relative_to(folder) for folder in _not_the_users()):
                return
            yield file, known
        if spec.submodule_search_locations is None:
            return
        if spec.origin is None:  # a folder without __init__.py, whose spec may ask for its parent
            path = [place for place in inside if Path(place).is_dir()]
        else:
            path = list(spec.submodule_search_locations)


@functools.cache
def _not_the_users() -> tuple[Path, ...]:
    installed = (
        sysconfig.get_path(kind) for kind in ('stdlib', 'platstdlib', 'purelib', 'platlib')
    )
    folders = [
        *installed,
        *site.getsitepackages(),
        site.getusersitepackages(),
        Path(__file__).parent,
    ]
    return tuple(Path(folder).resolve() for folder in folders)


def holds_brought(values: Any) -> bool:
    """Whether plain values hold a record of something brought, at any depth.

    >>> holds_brought({'a': [{'brought': {'name': 'net'}}]}), holds_brought({'title': 'brought'})
    (True, False)
    """
    if isinstance(values, Mapping):
        return isinstance(values.get(BROUGHT), Mapping) or any(map(holds_brought, values.values()))
    return isinstance(values, list | tuple) and any(map(holds_brought, values))


def without_places(values: Any) -> Any:
    """Plain values with records that say what was brought, not where it lies.

    >>> without_places({'model': {'brought': {'name': 'net', 'source': 'ab', 'file': '/x'}}})
    {'model': {'brought': {'name': 'net', 'source': 'ab'}}}
    """
    if isinstance(values, Mapping):
        plain = {k: without_places(v) for k, v in values.items()}
        if isinstance(plain.get(BROUGHT), dict):
            plain[BROUGHT] = {k: v for k, v in plain[BROUGHT].items() if k not in _PLACE}
        return plain
    if isinstance(values, list | tuple):
        return [without_places(value) for value in values]
    return values


def said(value: Any) -> Any:
    """What people read of a plain value: the name alone of what was brought.

    >>> said({'brought': {'name': 'net', 'source': 'ab'}}), said('resnet18')
    ('net', 'resnet18')
    """
    is_brought = isinstance(value, Mapping) and isinstance(value.get(BROUGHT), Mapping)
    return value[BROUGHT]['name'] if is_brought else value
