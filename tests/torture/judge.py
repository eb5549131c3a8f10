"""The content of a run's folder, and how it differs from an undisturbed one."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

REPORT = ('report.html', 'report.md', 'summary.json', 'plots')


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def visible(folder: Path) -> dict[str, bytes]:
    """Every file but locks and what is in checkpoints, by its path in the folder."""
    paths = [path for path in folder.rglob('*') if path.is_file() and path.name != 'lock']
    names = {str(path.relative_to(folder)): path for path in sorted(paths)}
    return {name: p.read_bytes() for name, p in names.items() if '/checkpoints/' not in name}


def fingerprint(folder: Path) -> dict[str, str]:
    """Hashes of all files, and of the arrays and the record in each cell's newest checkpoint.

    Starts JAX: Orbax names its files at random, so arrays are compared as they are read.
    """
    import jax
    import numpy as np
    import orbax.checkpoint as ocp

    found = {name: _hash(content) for name, content in visible(folder).items()}
    for checkpoints in sorted(folder.glob('cells/*/checkpoints')):
        steps = [int(p.name) for p in checkpoints.iterdir() if p.name.isdecimal()]
        if not steps:
            continue
        newest = checkpoints / str(max(steps))
        with ocp.PyTreeCheckpointer() as checkpointer:
            tree = checkpointer.restore(newest.absolute() / 'arrays')
        name = str(checkpoints.relative_to(folder))
        found[f'{name}/step'] = newest.name
        found[f'{name}/record'] = _hash((newest / 'record.json').read_bytes())
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
            found[f'{name}{jax.tree_util.keystr(path)}'] = _hash(np.asarray(leaf).tobytes())
        for other in checkpoints.iterdir():
            if not other.name.isdecimal():
                found[f'{name}/{other.name}'] = 'left over'
    return found


def difference(found: Mapping[str, str], expected: Mapping[str, str]) -> dict[str, list[str]]:
    """Names that are lost, that differ, and that are left over; each empty where all is well."""
    return {
        'lost': sorted(expected.keys() - found.keys()),
        'differing': sorted(k for k in found.keys() & expected.keys() if found[k] != expected[k]),
        'left over': sorted(found.keys() - expected.keys()),
    }


def torn(folder: Path, *allowed: Mapping[str, bytes]) -> list[str]:
    """Files of a disturbed run that a reader would find neither old nor new but broken.

    A log may end early, at the end of a line or within its last one, which nothing reads.
    """
    broken = []
    for name, content in visible(folder).items():
        if Path(name).name.startswith('.'):
            continue
        whole = [files[name] for files in allowed if name in files]
        good = any(
            content == known or (name.endswith('.jsonl') and known.startswith(content))
            for known in whole
        )
        if not good:
            broken.append(name)
    return broken
