"""Checkpoints: Orbax for the arrays, a SHA-256 manifest because Orbax does not notice flipped bits.

A checkpoint is a folder named by its step. It is written under another name and renamed when it is
complete, so a kill leaves nothing that looks finished. Besides the arrays it holds the run's record
up to that step (its log, its data), so that a resume reads only an intact checkpoint.
"""

import functools
import gc
import logging
import os
import re
import shutil
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import jax
import orbax.checkpoint as ocp

from cnn_jax.checksums import digest
from cnn_jax.errors import BadInput, Damaged, one_line
from cnn_jax.files import json_bytes, read_bytes, read_json, write_atomically
from cnn_jax.runs.folder import require_space

Tree = TypeVar('Tree')
T = TypeVar('T')
_KEEP = 2
_MANIFEST, _RECORD = 'manifest.json', 'record.json'


@dataclass(frozen=True)
class Checkpoint(Generic[Tree]):
    """The arrays, the step after which they were saved, and the record ({} in older versions)."""

    tree: Tree
    step: int
    record: Mapping[str, Any]


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): digest(read_bytes(path))
        for path in sorted(folder.rglob('*'))
        if path.is_file() and path.name != _MANIFEST
    }


def _steps(folder: Path) -> list[int]:
    """Steps of the checkpoints in the folder, newest first."""
    names = [p.name for p in folder.iterdir()] if folder.exists() else []
    return sorted((int(n) for n in names if n.isascii() and n.isdecimal()), reverse=True)


def save_checkpoint(
    folder: Path, tree: object, *, step: int, record: Mapping[str, Any] | None = None
) -> None:
    """Writes `tree` and the JSON object `record` as the checkpoint of `step`; keeps the newest two.

    Raises BadInput where the disk is too full, before anything is changed, and where the checkpoint
    cannot be written; earlier checkpoints are kept.
    """
    folder.mkdir(exist_ok=True)
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(tree))
    require_space(folder, 2 * size)
    final = folder / str(step)
    if final.exists():  # already saved, and verified when it was restored
        return
    for leftover in folder.glob('*.tmp'):
        shutil.rmtree(leftover)
    temporary = folder / f'{step}.tmp'

    def save() -> None:
        with ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(temporary.absolute() / 'arrays', tree)

    _, problem = _tried(save)
    if problem is not None:
        shutil.rmtree(temporary, ignore_errors=True)  # on a full disk it takes up space
        raise BadInput(
            f'cannot write the checkpoint {final}: {problem}. '
            f'What was there is kept: mend this and run the command again.'
        )
    write_atomically(temporary / _RECORD, json_bytes(record or {}))
    write_atomically(temporary / _MANIFEST, json_bytes(_digests(temporary)))
    os.replace(temporary, final)
    for old in _steps(folder)[_KEEP:]:
        shutil.rmtree(folder / str(old))


def restore_checkpoint(
    folder: Path, like: Tree, *, warn: Callable[[str], None]
) -> Checkpoint[Tree] | None:
    """The newest intact checkpoint, with the structure of `like`; None where there is none.

    One whose files do not match its manifest is reported through `warn`, renamed and skipped.
    Raises BadInput where the disk fails while an intact one is read.
    """
    for step in _steps(folder):
        path = folder / str(step)
        problem = _problem(path)
        if problem is None:
            tree, problem = _tried(functools.partial(_arrays, path, like))
            if tree is None:
                raise BadInput(
                    f'cannot read the checkpoint {path}, whose files are whole: {problem}. '
                    f'It is kept: mend this and run again, or give another --output.'
                )
            record = read_json(path / _RECORD) if (path / _RECORD).exists() else {}
            return Checkpoint(tree, step, record)
        warn(f'checkpoint {path} is damaged ({problem}): passing over it')
        path.rename(free_name(path.with_name(f'{step}.damaged')))
    return None


def _arrays(path: Path, like: Tree) -> Tree:
    with ocp.PyTreeCheckpointer() as checkpointer:
        return checkpointer.restore(
            path.absolute() / 'arrays',
            item=like,
            restore_args=ocp.checkpoint_utils.construct_restore_args(like),
        )


def _tried(call: Callable[[], T]) -> tuple[T | None, str | None]:
    """What `call` returns, or the reason for its failure in one line.

    Orbax reports disk errors as ValueError and others, and its threads print theirs. These messages
    are hidden, and so are the garbage collector's about coroutines and tasks that were never
    awaited. After a failure they stay hidden: the threads run on for a while and find their event
    loop closed.
    """
    loggers = [logging.getLogger(name) for name in ('absl', 'asyncio')]
    levels, hook = [logger.level for logger in loggers], sys.unraisablehook
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    late = functools.partial(_unless_loop_is_closed, hook)
    sys.unraisablehook = late
    with warnings.catch_warnings(action='ignore', category=RuntimeWarning):
        try:
            result = call()
        except Exception as error:
            found = re.search(r"os_error_code='(\d+)'", str(error))
            problem = os.strerror(int(found[1])) if found else one_line(error)
        else:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            sys.unraisablehook = hook
            return result, None
        sys.unraisablehook = lambda _: None
        gc.collect()
        sys.unraisablehook = late
    return None, problem


def _unless_loop_is_closed(hook: Callable[[Any], object], raised: Any) -> None:
    """`hook`, the former sys.unraisablehook, except for late errors from Orbax's threads."""
    error = raised.exc_value
    if not (isinstance(error, RuntimeError) and str(error) == 'Event loop is closed'):
        hook(raised)


def is_whole(folder: Path, step: int) -> bool:
    """Whether the checkpoint of that step is intact and holds a record; changes nothing."""
    path = folder / str(step)
    return (path / _RECORD).exists() and _problem(path) is None


def free_name(path: Path) -> Path:
    """The path or, if it is taken, the first of path-2, path-3, ... that is not."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_name(f'{path.name}-{number}')
    return free


def _problem(path: Path) -> str | None:
    """What is wrong with the checkpoint's files, or None."""
    try:
        expected = read_json(path / _MANIFEST)
    except Damaged:
        return 'its manifest is missing or unreadable'
    found = _digests(path)
    for name in sorted({*expected, *found}):
        if name not in found:
            return f'{name} is missing'
        if expected.get(name) != found[name]:
            return f'{name} does not match its SHA-256'
    return None
