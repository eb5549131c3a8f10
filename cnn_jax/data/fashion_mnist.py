"""Fashion-MNIST: finds its files, verifies them, and has TFDS prepare them once."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cnn_jax.data.dataset import Dataset
from cnn_jax.data.fashion_files import (
    CLASS_NAMES,
    PREFIXES,
    PUBLISHED,
    Arrays,
    array_hash,
    find_file,
    missing_files,
    read_files,
)
from cnn_jax.data.fashion_sources import FETCHERS, SYSTEM_FOLDER, Fetcher
from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.intact import read_class_names, require_metadata, require_unchanged
from cnn_jax.data.prepared import read_prepared
from cnn_jax.data.quiet import quiet_tfds
from cnn_jax.data.workspace import exclusive, remove_leftovers, require_space, scratch
from cnn_jax.errors import BadInput, require

_SPACE_NEEDED = 250_000_000  # bytes: archive, unpacked files, apt's lists and the prepared set


def load_fashion_mnist(
    folder: Path,
    *,
    log: Callable[[str], None],
    hashes: Mapping[str, str] = PUBLISHED,
    system_folder: Path = SYSTEM_FOLDER,
    fetchers: Sequence[Fetcher] = FETCHERS,
) -> Dataset:
    """Fashion-MNIST, 60,000 + 10,000 images 28x28x1 in the published order.

    folder: the data folder. Tried in this order, one line to `log` each: (a) prepared in the
    folder, (b) its IDX files in the folder or in `system_folder`, then the `fetchers`: (c)
    download, (d) Debian package. What is read is compared with `hashes` every time. Raises
    `BadInput` when nothing works, with the four reasons, and for damaged files, which it names.
    """
    prepared = folder / 'fashion_mnist_idx' / '1.0.0'
    if prepared.is_dir():
        log(f'fashion_mnist: prepared in {prepared}')
        return _read_back(prepared, hashes, log)
    with exclusive(folder, log):
        if not prepared.is_dir():  # another process may have done it while we waited
            log(f'fashion_mnist: not prepared yet in {folder}')
            remove_leftovers(folder, 'fashion_mnist_idx')
            require_space(folder, needed=_SPACE_NEEDED)
            arrays = _obtain(folder, log, hashes, system_folder, fetchers)
            _prepare(folder, arrays)
            log(f'fashion_mnist: now prepared in {prepared}')
    return _read_back(prepared, hashes, log)


def _read_back(prepared: Path, hashes: Mapping[str, str], log: Callable[[str], None]) -> Dataset:
    import tensorflow_datasets as tfds

    remedy = f'move {prepared} away and run again: it is made anew.'
    require_metadata(prepared, remedy=remedy)
    require_unchanged(prepared, remedy=remedy)
    try:
        with quiet_tfds():
            builder: Any = tfds.builder_from_directory(str(prepared))
    except Exception as error:
        raise BadInput(
            f'fashion_mnist: the prepared set in {prepared} cannot be opened '
            f'({type(error).__name__}): {remedy}'
        ) from error
    names = prepared / 'label.labels.txt'
    require(
        read_class_names(prepared, 'label', len(CLASS_NAMES), remedy=remedy) == CLASS_NAMES,
        f'fashion_mnist: {names} is missing or does not hold the published names: {remedy}',
    )
    dataset = read_prepared(builder, name='fashion_mnist', remedy=remedy, log=log)
    for name, split in (('train', dataset.train), ('test', dataset.test)):
        found = {
            f'{PREFIXES[name]}-images-idx3-ubyte': array_hash(split.images[..., 0]),
            f'{PREFIXES[name]}-labels-idx1-ubyte': array_hash(split.labels.astype(np.uint8)),
        }
        require(
            all(hashes[file] == value for file, value in found.items()),
            f'fashion_mnist: {builder.info.splits[name].filepaths[0]} does not hold the published '
            f'data: {remedy}',
        )
    return dataset


def _obtain(
    folder: Path,
    log: Callable[[str], None],
    hashes: Mapping[str, str],
    system_folder: Path,
    fetchers: Sequence[Fetcher],
) -> Arrays:
    own = folder / 'fashion-mnist'
    places = (folder, own, system_folder)
    remedies = {
        system_folder: f'Put the four published files into {folder}.'
    }  # root's: not to mend
    for place in places:
        given = {'remedy': remedies[place]} if place in remedies else {}
        if arrays := read_files(place, hashes, **given):
            log(f'fashion_mnist: IDX files in {place}')
            return arrays
    log(f'fashion_mnist: no IDX files in {folder} or {system_folder}')
    reasons = [f'(a) not prepared in {folder}', f'(b) {_lack(places, hashes)}']
    for letter, fetcher in zip('cd', fetchers, strict=False):
        log(f'fashion_mnist: {fetcher.title}')
        try:
            return _fetch(fetcher, folder, own, hashes)
        except SourceFailed as error:
            reasons.append(f'({letter}) {error}')
    raise BadInput(
        f'fashion_mnist cannot be had: put its four files ({next(iter(hashes))}.gz ...) into '
        f'{folder} and run again. Each way failed:\n{"; ".join(reasons)}.'
    )


def _lack(places: Sequence[Path], hashes: Mapping[str, str]) -> str:
    """What is missing, in the place that lacks least."""
    place = min(places, key=lambda place: len(missing_files(place, hashes)))
    missing = missing_files(place, hashes)
    if len(missing) == len(hashes):
        return f'no IDX files in {places[0]} or {places[-1]}'
    return f'{place} lacks {", ".join(missing)}'


def _fetch(fetcher: Fetcher, folder: Path, own: Path, hashes: Mapping[str, str]) -> Arrays:
    """Fetches into a folder that is thrown away, and keeps the four files in `own` if good."""
    with scratch(folder) as place:
        got = fetcher.fetch(place)
        try:
            arrays = read_files(got, hashes, remedy='')
        except BadInput as error:
            raise SourceFailed(str(error).rstrip('.')) from error
        if arrays is None:
            raise SourceFailed(f'it brought no {", ".join(missing_files(got, hashes))}')
        own.mkdir(exist_ok=True)
        for name in hashes:
            path = find_file(got, name)
            assert path is not None
            os.replace(path, own / path.name)
    return arrays


def _prepare(folder: Path, arrays: Arrays) -> None:
    """Has TFDS write the prepared set; it does so beside its place and renames it when whole."""
    import tensorflow_datasets as tfds

    from cnn_jax.data.fashion_builder import FashionMnistIdx

    try:
        with quiet_tfds(), scratch(folder) as place:
            FashionMnistIdx(data_dir=str(folder), arrays=arrays).download_and_prepare(
                file_format='array_record',
                download_dir=str(place),  # stays empty, but TFDS makes it
                download_config=tfds.download.DownloadConfig(try_download_gcs=False),
            )
    except RuntimeError as error:  # what ArrayRecord raises for a full disk
        raise OSError(str(error).partition(';')[0]) from error
