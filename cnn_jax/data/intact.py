"""Whether the files of a prepared TFDS set are intact, and which of them is not.

The records contain checksums. The small files beside them do not, and TFDS silently accepts altered
or missing class names; so the first successful read writes the SHA-256 of these files into the
set's folder, and every later one compares. Alterations before that, by hand or by a bad copy, are
noticed only where a file cannot be read or contradicts the rest.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cnn_jax.errors import BadInput, require

CHECKSUMS = 'cnn_jax.sha256'
"""The file of checksums in a set's folder; `sha256sum --check` reads it too."""

_INFO, _FEATURES, _NAMES = 'dataset_info.json', 'features.json', '.labels.txt'
_CHUNK = 512  # records read at once


def set_folders(root: Path) -> Iterator[Path]:
    """The folders at or below `root` that hold files of a prepared set, complete or not.

    >>> list(set_folders(Path('no-such-folder')))
    []
    """
    for folder in (root, *sorted(path for path in root.rglob('*') if path.is_dir())):
        unfinished = any(part.startswith('incomplete.') for part in folder.relative_to(root).parts)
        marks = (_INFO, _FEATURES, f'*{_NAMES}', '*.array_record-*', '*.tfrecord-*')
        if not unfinished and any(next(folder.glob(mark), None) for mark in marks):
            yield folder


def require_metadata(folder: Path, *, remedy: str) -> None:
    """Raises `BadInput`, naming the file, unless `folder` holds both JSON files and they parse."""
    for path in (folder / _INFO, folder / _FEATURES):
        try:
            content = json.loads(path.read_text(encoding='utf-8'))
        except FileNotFoundError:
            raise BadInput(f'{path} is missing: {remedy}') from None
        except ValueError as error:
            raise BadInput(f'{path} is damaged ({error}): {remedy}') from error
        require(isinstance(content, dict), f'{path} is damaged (not a JSON object): {remedy}')


def read_class_names(
    folder: Path, label_key: str, classes: int, *, remedy: str
) -> tuple[str, ...] | None:
    """The names in `LABEL_KEY.labels.txt`, one per line; None where the set has no such file.

    Raises `BadInput`, naming the file, unless it holds `classes` different names in UTF-8.

    >>> read_class_names(Path('no-such-folder'), 'label', 10, remedy='') is None
    True
    """
    path = folder / f'{label_key}{_NAMES}'
    try:
        lines = path.read_text(encoding='utf-8').split('\n')
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise BadInput(
            f'{path} is damaged: it is not UTF-8: put the former file back, or {remedy}'
        ) from error
    names = tuple(line.strip() for line in lines if line.strip())
    require(
        len(set(names)) == len(names) == classes,
        f'{path} is damaged: it holds {len(set(names))} different names in {len(names)} lines, '
        f'and the set has {classes} classes: put the former file back, or {remedy}',
    )
    return names


def require_unchanged(folder: Path, *, remedy: str) -> None:
    """Compares the small files of a set with the checksums in its folder, if there are any.

    Raises `BadInput`, naming the first file that is missing, new or altered.
    """
    record = folder / CHECKSUMS
    if not record.exists():
        return
    known, found = _read(record), _checksums(folder)
    for name in sorted(known.keys() | found.keys()):
        what = 'missing' if name not in found else 'new' if name not in known else 'altered'
        require(
            known.get(name) == found.get(name),
            f'{folder / name} is {what} since the set was first read: if that is meant, delete '
            f'{record} and run again; if not, put the former file back, or {remedy}',
        )


def remember(folder: Path, *, log: Callable[[str], None]) -> None:
    """Writes the checksums that `require_unchanged` reads, unless they exist.

    Reports to `log` if nothing can be written in the folder.
    """
    record = folder / CHECKSUMS
    if record.exists():
        return
    try:
        _write(record, _checksums(folder))
    except OSError as error:
        log(f'no checksums in {folder} ({error.strerror}): altered class names go unnoticed')


def damaged_records(builder: Any, splits: Sequence[str]) -> str | None:
    """Which record file of these splits is missing or damaged, and how.

    Reads every record until one fails; None if none does.
    """
    from array_record.python.array_record_module import ArrayRecordReader

    for split in splits:
        info = builder.info.splits[split]
        for path, promised in zip(info.filepaths, info.shard_lengths, strict=False):
            if not Path(path).is_file():
                return f'{path} is missing'
            try:
                reader = ArrayRecordReader(str(path))
                present = reader.num_records()
                for start in range(0, present, _CHUNK):
                    reader.read(start, min(start + _CHUNK, present))
            except Exception as error:  # some have no message
                reason = ' '.join(str(error).split())[:80]
                return f'{path} is damaged ({reason or type(error).__name__})'
            if present != promised:
                return f'{path} is damaged ({present} of {promised} records)'
    return None


def _checksums(folder: Path) -> dict[str, str]:
    paths = [folder / _INFO, folder / _FEATURES, *folder.glob(f'*{_NAMES}')]
    there = sorted(path for path in paths if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in there}


def _write(record: Path, checksums: dict[str, str]) -> None:
    """Writes atomically, whichever other process writes it too."""
    text = ''.join(f'{value}  {name}\n' for name, value in checksums.items())
    draft = record.with_name(f'.{record.name}.{os.getpid()}')
    try:
        draft.write_text(text, encoding='utf-8')
        os.replace(draft, record)
    finally:
        draft.unlink(missing_ok=True)


def _read(record: Path) -> dict[str, str]:
    try:
        lines = record.read_text(encoding='utf-8').splitlines()
        pairs = [line.split('  ', maxsplit=1) for line in lines]
        known = {name: value for value, name in pairs}
    except ValueError:
        known = {}
    require(
        {_INFO, _FEATURES} <= known.keys() and all(len(value) == 64 for value in known.values()),
        f'{record} is damaged: delete it and run again; it is made anew.',
    )
    return known
