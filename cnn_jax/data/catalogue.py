"""Finds a data set of tensorflow-datasets by name on this machine."""

import difflib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from cnn_jax.data.dataset import Dataset
from cnn_jax.data.intact import require_metadata, require_unchanged, set_folders
from cnn_jax.data.prepared import read_prepared
from cnn_jax.data.quiet import quiet_tfds
from cnn_jax.data.resize import ImageSize
from cnn_jax.errors import BadInput, require

_NAME = re.compile(r'[a-z0-9_]+(/[A-Za-z0-9_.\-]+)?')


def load_from_tfds(
    name: str,
    *,
    folders: Sequence[Path],
    ours: Sequence[str],
    size: ImageSize | None,
    log: Callable[[str], None],
    task: str | None = None,
) -> Dataset:
    """Reads the set `name` ('mnist', 'imagenette/160px-v2') from the first folder that holds it.

    Nothing is ever downloaded. Raises `BadInput` when no folder holds the set, with the command
    that prepares it, or, for a name that TFDS does not know, with the nearest name among `ours`
    and TFDS' own. Otherwise as `read_prepared`.
    """
    require(_NAME.fullmatch(name) is not None, _unknown(name, ours, _tfds_names()))
    base = name.partition('/')[0]
    command = prepare_command(name, folders[0])
    for folder in folders:
        if not (folder / base).is_dir():
            continue
        remedy = _elsewhere(name, folder, folders[0])
        builder = _find(name, folder, remedy)
        if builder is not None:
            log(f'{name}: reading {builder.data_dir}')
            return read_prepared(builder, name=name, remedy=remedy, size=size, task=task, log=log)
    known = _tfds_names()
    require(base in known, _unknown(name, ours, known))
    places = ' or '.join(str(folder) for folder in folders)
    raise BadInput(
        f'data set {name!r} is not prepared in {places}. Prepare it once, where there is a '
        f"network, from a checkout of cnn_jax: pip install -e '.[tf]' && {command}"
    )


def is_prepared(name: str, folder: Path) -> bool:
    """Whether the data folder holds files of the set as TFDS prepares it, complete or not.

    >>> is_prepared('mnist', Path('no-such-folder'))
    False
    """
    return next(set_folders(folder / name), None) is not None


def prepare_command(name: str, folder: Path) -> str:
    """The shell command with which TFDS prepares a set in the format read here.

    Not `tfds build`, which in tensorflow-datasets 4.9.10 does not start without Apache Beam.

    >>> print(prepare_command('mnist', Path('data')))
    python -c 'import tensorflow_datasets as t; t.builder("mnist", data_dir="data",
    file_format="array_record").download_and_prepare()'
    """
    code = (
        f'import tensorflow_datasets as t; t.builder({json.dumps(name)}, '
        f'data_dir={json.dumps(str(folder))}, file_format="array_record").download_and_prepare()'
    )
    return f'python -c {shlex.quote(code)}'


def _elsewhere(name: str, found: Path, preferred: Path) -> str:
    """What to do about a set in the data folder `found` that cannot be read as it is.

    It never advises deleting the set: it may be the only copy, in a form that other programs read.
    """
    same = found.absolute() == preferred.absolute()
    folder = preferred.with_name(f'{preferred.name}_array_record') if same else preferred
    after = f', then set CNN_JAX_DATA_DIR={shlex.quote(str(folder))}' if same else ''
    if name.partition('/')[0] not in _tfds_names():
        return (
            f'leave it there, and have the program that made it write it as array_record into '
            f'another data folder, {folder}{after}.'
        )
    return (
        f'leave it there and prepare it as array_record in another data folder{after}: '
        f'{prepare_command(name, folder)}'
    )


def _find(name: str, folder: Path, remedy: str):
    """TFDS' builder for the newest version of the set in `folder`, or None."""
    import tensorflow_datasets as tfds

    builder, failed = None, None
    try:
        with quiet_tfds():
            builder = tfds.builder(name, data_dir=folder, version='*.*.*')
    except Exception as error:  # anything from a damaged dataset_info.json to an unknown name
        failed = error
    if builder is not None and builder.info.splits:
        return builder
    for place in set_folders(folder / name):
        require_metadata(place, remedy=remedy)
        require_unchanged(place, remedy=remedy)
        if failed is not None:
            raise BadInput(
                f'data set {name!r} in {place} cannot be opened ({type(failed).__name__}): {remedy}'
            ) from failed
    return None


def _tfds_names() -> list[str]:
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def _unknown(name: str, ours: Sequence[str], known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, [*ours, *known], n=1, cutoff=0.4)
    hint = f': did you mean {near[0]!r}?' if near else '.'
    return (
        f'unknown data set {name!r}{hint} '
        f'Allowed: {", ".join(ours)}, a folder of images, or a set of tensorflow-datasets with '
        'images and labels. '
        f'There is no folder {Path(name).absolute()}.'
    )
