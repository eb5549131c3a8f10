"""Small studies in their compact form, for tests."""

import json
from pathlib import Path
from typing import Any

from cnn_jax.checksums import sealed, unsealed
from cnn_jax.compact import Compact, environment_hash, save_compact


def made(
    folder: Path,
    cells: dict[str, float],
    *,
    seeds: tuple[int, ...] = (0, 1),
    strategies: tuple[str, ...] = ('max', 'avg'),
    code: str = 'abc',
    title: str = 't',
    suffix: str = '',
    **changes: Any,
) -> Path:
    """A study of one comparison in `folder`, of these cells ('max0') with their accuracy.

    `suffix` ends the names of all cells, which stand for their hashes.
    """
    config = {
        'model': 'convnet3',
        'seeds': list(seeds),
        'strategies': {name: {'name': name} for name in strategies},
        'learning_rates': {},
        'epochs': 1,
    }
    index = {
        'config': {**config, **changes.get('config', {})},
        'class_names': changes.get('class_names', ['a', 'b']),
        'data_fingerprint': changes.get('data', 'd1'),
        'cells': [
            {'strategy': name, 'seed': seed, 'cell': f'{name}{seed}{suffix}'}
            for seed in seeds
            for name in strategies
        ],
    }
    environment = {'code': code, 'python': '3.13'}
    rows = {
        name: {
            'cell': name,
            'result': {
                'status': 'completed',
                'accuracy': accuracy,
                'consistency': 0.5,
                'seconds': 1.0 + accuracy,
            },
            'curve': [],
            'environment': environment_hash(environment),
        }
        for name, accuracy in cells.items()
    }
    folder.mkdir(parents=True, exist_ok=True)
    environments = {environment_hash(environment): environment} if rows else {}
    save_compact(folder, Compact(title, {'main': index}, rows, environments))
    return folder


def resealed(folder: Path, **result: Any) -> None:
    """Every line with these figures in its result; None takes one out."""
    lines = []
    for line in (folder / 'cells.jsonl').read_text().splitlines():
        row = unsealed(json.loads(line), line)
        row['result'] = {k: v for k, v in {**row['result'], **result}.items() if v is not None}
        lines.append(json.dumps(sealed(row), sort_keys=True))
    (folder / 'cells.jsonl').write_text('\n'.join(lines) + '\n')


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
