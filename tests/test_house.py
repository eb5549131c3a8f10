"""House rules: which package may import which, and what code must never contain."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / 'cnn_jax'
# A room may import itself, what stands below it here, and single files such as errors.py.
BELOW = {
    'ops': set(),
    'data': set(),
    'strategies': {'ops'},
    'layers': {'ops', 'strategies'},
    'models': {'ops', 'strategies', 'layers'},
    'training': {'ops', 'layers', 'models', 'data'},
    'evaluation': {'ops', 'models', 'data'},
    'weights': {'ops', 'strategies', 'models'},
    'inspection': {'ops', 'strategies', 'layers', 'models'},
    'runs': {'ops', 'strategies', 'models', 'data', 'training', 'evaluation', 'inspection'},
    'transform': {'ops', 'strategies'},
    'reports': {'runs'},
    'gallery': {
        'ops',
        'data',
        'strategies',
        'models',
        'evaluation',
        'inspection',
        'runs',
        'reports',
    },
}
MAY_OPS = {'jax', 'numpy', 'jaxtyping', 'cnn_jax'}
OURS = [
    path
    for folder in ('cnn_jax', 'experiments', 'configs', 'tests')
    for path in sorted((ROOT / folder).rglob('*.py'))
]


def imports(path: Path) -> set[str]:
    """Every module that the file imports, in full."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f'{node.module}.{alias.name}' for alias in node.names}
    return found


@pytest.mark.parametrize('room', sorted(BELOW))
def test_imports_go_one_way(room):
    for path in (PACKAGE / room).rglob('*.py'):
        for name in imports(path):
            parts = name.split('.')
            if parts[0] == 'cnn_jax' and len(parts) > 1 and (PACKAGE / parts[1]).is_dir():
                assert parts[1] in BELOW[room] | {room}, f'{path} imports {name}'
            assert parts[0] not in ('experiments', 'tests'), f'{path} imports {name}'


def test_every_room_is_in_the_table():
    assert {p.name for p in PACKAGE.iterdir() if (p / '__init__.py').exists()} == set(BELOW)


def test_ops_import_arrays_only():
    import sys

    for path in (PACKAGE / 'ops').rglob('*.py'):
        for name in imports(path):
            top = name.split('.')[0]
            assert top in MAY_OPS or top in sys.stdlib_module_names, f'{path} imports {name}'


@pytest.mark.parametrize('path', OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_never_written(path):
    names = imports(path)
    text = path.read_text()
    assert not names & {'pickle', 'dill', 'cloudpickle', 'joblib'}
    assert not any(name.startswith('__future__') for name in names)
    if path != Path(__file__):
        assert 'allow_pickle=' + 'True' not in text
    loads = re.findall(r'np\.load\([^)]*\)', text)
    assert all('allow_pickle=False' in call for call in loads), loads


def test_jax_jit_for_training_is_in_one_place():
    found = [
        p.name for p in (PACKAGE / 'training').rglob('*.py') if 'jax.jit(step' in p.read_text()
    ]
    assert found == ['step.py']


def test_importing_the_package_changes_nothing():
    import subprocess
    import sys

    code = (
        'import os, jax; before = dict(os.environ), dict(jax.config.values)\n'
        'import cnn_jax.ops, cnn_jax.layers, cnn_jax.models, cnn_jax.training\n'
        'import cnn_jax.evaluation, cnn_jax.data, cnn_jax.weights, cnn_jax.transform\n'
        'import sys\n'
        'assert before == (dict(os.environ), dict(jax.config.values))\n'
        'assert "tensorflow" not in sys.modules and "torch" not in sys.modules\n'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=ROOT)


def test_every_family_shares_its_generated_cases_among_all_its_tests():
    from tests.cases import FAMILIES, generated_tests

    named = [name for files in FAMILIES.values() for name in files]
    rooms = [ROOT / 'tests' / room for room in ('ops', 'peers')]
    found = [p.stem for room in rooms for p in room.glob('*.py') if '\n@generated' in p.read_text()]
    assert sorted(named) == sorted(found)
    assert all(generated_tests(files) > 0 for files in FAMILIES.values())
