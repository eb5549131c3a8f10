"""Finds a data set of tensorflow-datasets on this machine by its name."""

import difflib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path

from cnn_jax.data.dataset import Dataset
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
) -> Dataset:
    """Reads the set `name` ('mnist', 'imagenette/160px-v2') from the first folder that holds it.

    Nothing is ever downloaded. Raises `BadInput` when no folder holds the set, with the command
    that prepares it, or, for a name that TFDS does not know, with the nearest name among `ours`
    and TFDS' own. Otherwise as `read_prepared`.
    """
    require(_NAME.fullmatch(name) is not None, _unknown(name, [*ours, *_tfds_names()]))
    base = name.partition('/')[0]
    command = prepare_command(name, folders[0])
    for folder in folders:
        if not (folder / base).is_dir():
            continue
        builder = _find(name, folder, command)
        if builder is not None:
            log(f'{name}: reading {builder.data_dir}')
            remedy = f'delete that folder and prepare it again: {command}'
            return read_prepared(builder, name=name, remedy=remedy, size=size)
    known = _tfds_names()
    require(base in known, _unknown(name, [*ours, *known]))
    places = ' or '.join(str(folder) for folder in folders)
    raise BadInput(
        f'data set {name!r} is not prepared in {places}. Prepare it once, where there is a '
        f"network: pip install 'cnn_jax[tf]' && {command}"
    )


def prepare_command(name: str, folder: Path) -> str:
    """The shell command that makes TFDS prepare a set in the format read here.

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


def _find(name: str, folder: Path, command: str):
    """TFDS' builder for the newest version of the set in `folder`, or None."""
    import tensorflow_datasets as tfds

    try:
        with quiet_tfds():
            builder = tfds.builder(name, data_dir=folder, version='*.*.*')
    except Exception as error:  # from a damaged dataset_info.json to a name without code
        damaged = any((folder / name.partition('/')[0]).rglob('dataset_info.json'))
        if not damaged:
            return None
        raise BadInput(
            f'data set {name!r} in {folder} cannot be opened ({type(error).__name__}): '
            f'delete its folder there and prepare it again: {command}'
        ) from error
    return builder if builder.info.splits else None


def _tfds_names() -> list[str]:
    import tensorflow_datasets as tfds

    return tfds.list_builders(with_community_datasets=False)


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f': did you mean {near[0]!r}?' if near else '.'
    return (
        f'unknown data set {name!r}{hint} '
        'Allowed: fashion_mnist, shapes, shapes_tiny, or an image-classification set of '
        'tensorflow-datasets.'
    )
