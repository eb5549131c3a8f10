"""Checkpoints: Orbax for the arrays, a SHA-256 manifest because Orbax does not notice flipped bits.

A checkpoint is a folder named by its step. It is written under another name and renamed when it is
complete, so a kill leaves nothing that looks finished.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import jax
import orbax.checkpoint as ocp

from cnn_jax.files import write_atomically
from cnn_jax.runs.folder import require_space

Tree = TypeVar('Tree')
_KEEP = 2


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name != 'manifest.json'
    }


def _steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in the folder, newest first."""
    names = [p.name for p in folder.iterdir()] if folder.exists() else []
    return sorted((int(name) for name in names if name.isdigit()), reverse=True)


def save_checkpoint(folder: Path, tree: object, *, step: int) -> None:
    """Writes `tree` as the checkpoint of `step` and keeps the newest two.

    Raises BadInput where the disk is too full, before anything is touched.
    """
    folder.mkdir(exist_ok=True)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    require_space(folder, 2 * size)
    final = folder / str(step)
    if final.exists():  # saved before, and verified when it was restored
        return
    for leftover in folder.glob('*.tmp'):
        shutil.rmtree(leftover)
    temporary = folder / f'{step}.tmp'
    with ocp.PyTreeCheckpointer() as checkpointer:
        checkpointer.save(temporary.absolute() / 'arrays', tree)
    write_atomically(temporary / 'manifest.json', json.dumps(_digests(temporary)).encode())
    os.replace(temporary, final)
    for old in _steps(folder)[_KEEP:]:
        shutil.rmtree(folder / str(old))


def restore_checkpoint(
    folder: Path, like: Tree, *, warn: Callable[[str], None]
) -> tuple[Tree, int] | None:
    """The newest intact checkpoint, in the form of `like`, and its step; None where there is none.

    One whose files do not match its manifest is reported through `warn`, renamed and passed over.
    """
    for step in _steps(folder):
        path = folder / str(step)
        problem = _problem(path)
        if problem is None:
            with ocp.PyTreeCheckpointer() as checkpointer:
                restore_args = ocp.checkpoint_utils.construct_restore_args(like)
                tree = checkpointer.restore(
                    path.absolute() / 'arrays', item=like, restore_args=restore_args
                )
            return tree, step
        warn(f'checkpoint {path} is damaged ({problem}): passing over it')
        shutil.rmtree(folder / f'{step}.damaged', ignore_errors=True)
        path.rename(folder / f'{step}.damaged')
    return None


def _problem(path: Path) -> str | None:
    """What is wrong with the checkpoint's files, or None."""
    try:
        expected = json.loads((path / 'manifest.json').read_text())
    except (OSError, ValueError):
        return 'its manifest is missing or unreadable'
    if not isinstance(expected, dict):
        return 'its manifest is missing or unreadable'
    found = _digests(path)
    for name in sorted({*expected, *found}):
        if name not in found:
            return f'{name} is missing'
        if expected.get(name) != found[name]:
            return f'{name} does not match its SHA-256'
    return None
