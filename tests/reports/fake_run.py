"""Run folders as the comparison leaves them on disk, with made-up numbers."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

CLASS_NAMES = ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat']
FIVE = ('max', 'avg', 'stride', 'max_blur3', 'max_blur5')


def fake_run(
    folder: Path,
    strategies: Collection[str] = FIVE,
    seeds: Collection[int] = (0, 1, 2),
    epochs: int = 3,
    missing: Collection[tuple[str, int]] = (),
    diverged: Collection[tuple[str, int]] = (),
    title: str = 'Fashion-MNIST: which pooling?',
) -> Path:
    """Writes a comparison to `folder`; `missing` and `diverged` are (strategy, seed) pairs."""
    cells = []
    for index, strategy in enumerate(strategies):
        for seed in seeds:
            cell = folder / 'cells' / f'{index:03d}{seed:03d}'
            cell.mkdir(parents=True)
            cells.append({'strategy': strategy, 'seed': seed, 'folder': f'cells/{cell.name}'})
            state = 'missing' if (strategy, seed) in missing else 'completed'
            state = 'diverged' if (strategy, seed) in diverged else state
            _write_cell(cell, index, seed, epochs, state)
    config = {
        'title': title,
        'baseline': next(iter(strategies)),
        'seeds': list(seeds),
        'strategies': {name: {'name': name, 'window': 2} for name in strategies},
        'data': {'name': 'fashion_mnist', 'validation': 0},
        'model': 'convnet1',
        'epochs': epochs,
        'batch_size': 128,
        'optimizer': {'name': 'adam', 'learning_rate': 0.001, 'weight_decay': None},
        'augment': {'flip': False, 'pad': 0},
        'evaluation': {'max_shift': 3, 'worst_case_images': 1000},
    }
    write_json(
        folder / 'comparison.json', {'config': config, 'cells': cells, 'class_names': CLASS_NAMES}
    )
    return folder


def write_json(path: Path, content: Any) -> None:
    """Writes JSON as Python does, NaN and all."""
    path.write_text(json.dumps(content))


def _write_cell(cell: Path, index: int, seed: int, epochs: int, state: str) -> None:
    random = np.random.default_rng((index, seed))
    luck = np.random.default_rng(seed).normal()
    accuracy = 0.892 - 0.0025 * index + 0.004 * luck + random.normal() * 0.001
    consistency = min(0.664 + 0.022 * index + 0.012 * luck + random.normal() * 0.006, 0.99)
    write_json(cell / 'config.json', {'seed': seed})
    write_json(cell / 'environment.json', _environment())
    _write_metrics(cell, epochs, accuracy, random)
    counts = {'parameters': 29034, 'flops_per_example': 5.6e6 * (1 + 0.11 * index)}
    if state == 'diverged':
        loss = {
            'status': 'diverged',
            'step': 712,
            'message': 'loss is nan',
            'accuracy': float('nan'),
        }
        write_json(cell / 'result.json', loss | counts)
    elif state == 'completed':
        result = {
            'status': 'completed',
            'step': 468 * epochs,
            'accuracy': accuracy,
            'consistency': consistency,
            'consistency_zero': consistency,
            'consistent_and_right': consistency - 0.05,
            'consistency_circular': consistency - 0.03,
            'worst_case_accuracy': accuracy - 0.4,
            'worst_case_images': 1000,
            'examples_per_second': 5200.0 / (1 + 0.2 * index) + 30 * seed,
            'seconds': 40.0,
        }
        write_json(cell / 'result.json', result | counts)
        _write_predictions(cell, index, random)


def _write_metrics(cell: Path, epochs: int, accuracy: float, random: np.random.Generator) -> None:
    rows = []
    for epoch in range(1, epochs + 1):
        gap = 0.12 / epoch - 0.12 / epochs + (random.normal() * 0.004 if epoch < epochs else 0)
        rows.append(
            {
                'epoch': epoch,
                'step': 468 * epoch,
                'train_loss': 0.25 + 0.5 / epoch + random.normal() * 0.01,
                'train_accuracy': accuracy - gap,
                'learning_rate': 0.001,
                'split': 'test',
                'loss': 0.3 + 0.3 / epoch,
                'accuracy': accuracy - gap,
            }
        )
    (cell / 'metrics.jsonl').write_text(''.join(json.dumps(row) + '\n' for row in rows))


def _write_predictions(cell: Path, index: int, random: np.random.Generator) -> None:
    images, labels = fake_images()
    dy, dx = np.mgrid[-3:4, -3:4]
    wobble = np.exp(-(dy**2 + dx**2)[None] / (3.0 + 2.5 * index + 4 * np.arange(6)[:, None, None]))
    checks = 0.15 * ((dy + dx) % 2)[None] / (1 + index)
    maps = np.clip(0.2 + 0.75 * wobble - checks + random.normal(size=wobble.shape) * 0.02, 0, 1)
    np.savez(
        cell / 'predictions.npz',
        labels=np.zeros(20, np.int32),
        predictions=np.zeros(20, np.int32),
        consistent_zero=np.ones(20, bool),
        consistent_circular=np.ones(20, bool),
        shift_maps=maps.astype(np.float32),
        shift_images=images,
        shift_labels=labels,
    )


def fake_images() -> tuple[np.ndarray, np.ndarray]:
    """Six drawn 28x28 shapes and their labels."""
    rows, columns = np.mgrid[0:28, 0:28] - 13.5
    images = np.zeros((6, 28, 28, 1), np.uint8)
    for index in range(6):
        body = (np.abs(columns) < 4 + index) & (np.abs(rows) < 10)
        sleeves = (np.abs(columns) < 12) & (np.abs(rows + 6) < 1.5 + index / 2)
        images[index, ..., 0] = np.where(body | sleeves, 120 + 6 * np.abs(rows), 0)
    return images, np.arange(6, dtype=np.int32)


def _environment() -> dict[str, Any]:
    return {
        'packages': {'jax': '0.12.0', 'flax': '0.12.12', 'numpy': '2.5.5'},
        'python': '3.13.0',
        'git': {'revision': '0123abc', 'dirty': False},
        'hardware': {'cpu': 'Some CPU', 'cores': 2, 'memory_gib': 8.0, 'devices': ['cpu:0']},
        'flags': {'jax_enable_x64': False},
        'data_fingerprint': 'c59f468a',
    }
