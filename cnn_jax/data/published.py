"""Data sets as their authors published them: found on this machine or fetched, verified, parsed.

The data folder holds the published files themselves, and their SHA-256 is checked every time they
are read, which takes a tenth of a second: no copy in another format is kept.
"""

import hashlib
import os
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.data.dataset import Dataset, Split
from cnn_jax.data.fetch import SourceFailed
from cnn_jax.data.idx import unzip
from cnn_jax.data.workspace import exclusive, remove_leftovers, require_space, scratch
from cnn_jax.errors import BadInput, require

Contents = Mapping[str, bytes]
"""File name -> what is in it, uncompressed."""


@dataclass(frozen=True)
class Source:
    """One way to get the files over a network, called `title` in messages.

    `fetch` puts them, gzipped or raw, into a new folder below an empty scratch folder and returns
    that folder, or raises `SourceFailed`.
    """

    title: str
    fetch: Callable[[Path], Path]


@dataclass(frozen=True)
class Published:
    """A data set defined by its published files.

    Attributes:
        name: Its name in `load` and in messages.
        files: File name -> SHA-256 of its content, uncompressed.
        parse: The contents of all files -> the train and the test split.
        class_names: One for each label.
        folder: Where its files are kept, below the data folder.
        sources: Tried in this order where no folder holds the files.
        space: Bytes that fetching it needs on disk.
        archive: A tar file in `folder` that may hold the files instead.
        system_folder: Where a system package installs the files.
    """

    name: str
    files: Mapping[str, str]
    parse: Callable[[Contents], tuple[Split, Split]]
    class_names: tuple[str, ...]
    folder: str
    sources: Sequence[Source]
    space: int
    archive: str | None = None
    system_folder: Path | None = None


def load_published(
    published: Published,
    folder: Path,
    *,
    log: Callable[[str], None],
    prepared: Callable[[], Dataset | None] = lambda: None,
) -> Dataset:
    """The set from the first place that has it, with one line to `log` for each place.

    Tries its files in the data folder `folder`, in a folder or archive below it, or in the system's
    folder; then what `prepared()` finds; then its sources. Fetched files are kept in the data
    folder. Raises `BadInput` when nothing works, with every reason, and for a damaged file, which
    it names.
    """
    contents = _on_disk(published, folder, log)
    if contents is None:
        found = prepared()
        if found is not None:
            return found
        with exclusive(folder, log):
            contents = _on_disk(published, folder, log)  # another process may have fetched them
            if contents is None:
                remove_leftovers(folder)
                require_space(folder, needed=published.space)
                contents = _fetched(published, folder, log)
    train, test = published.parse(contents)
    return Dataset(published.name, train=train, test=test, class_names=published.class_names)


def read_files(
    published: Published,
    place: Path,
    *,
    remedy: str = 'Put the published file in its place, or move it away.',
) -> Contents | None:
    """The contents of the files in `place`, gzipped, raw or in the archive; None if any is missing.

    A truncated or altered file raises `BadInput`, which names it and ends in `remedy`, whether the
    other files exist or not.
    """
    contents = {
        name: _verified(published, path, _read(path), expected, remedy)
        for name, expected in published.files.items()
        if (path := find_file(place, name)) is not None
    }
    if len(contents) == len(published.files):
        return contents
    archive = place / (published.archive or '')
    return _from_archive(published, archive, remedy) if archive.is_file() else None


def find_file(place: Path, name: str) -> Path | None:
    """`NAME.gz` or `NAME` in `place`, in this order; None if neither is there.

    >>> find_file(Path('no-such-folder'), 't10k-labels-idx1-ubyte') is None
    True
    """
    both = (place / f'{name}.gz', place / name)
    return next((path for path in both if path.is_file()), None)


def missing_files(published: Published, place: Path) -> list[str]:
    """The files that `place` holds neither gzipped nor raw."""
    return [name for name in published.files if find_file(place, name) is None]


def _on_disk(published: Published, folder: Path, log: Callable[[str], None]) -> Contents | None:
    for place in _places(published, folder):
        of_system = place == published.system_folder  # owned by root: the user cannot repair it
        remedy = {'remedy': f'Put the published files into {folder}.'} if of_system else {}
        contents = read_files(published, place, **remedy)
        if contents is not None:
            log(f'{published.name}: published files in {place}')
            return contents
    return None


def _places(published: Published, folder: Path) -> list[Path]:
    system = [published.system_folder] if published.system_folder else []
    return [folder / published.folder, folder, *system]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f'{path} cannot be read ({error.strerror}).') from error


def _verified(
    published: Published, path: Path, data: bytes, expected: str, remedy: str, inside: str = ''
) -> bytes:
    try:
        content = unzip(data)
        found = hashlib.sha256(content).hexdigest()
        require(
            found == expected,
            f'SHA-256 of its {len(content)} bytes is {found[:12]}..., not {expected[:12]}...',
        )
    except BadInput as error:
        raise BadInput(
            f'{path}{inside} is not the published file of {published.name}: '
            f'{str(error).rstrip(".")}. {remedy}'.strip()
        ) from error
    return content


def _from_archive(published: Published, archive: Path, remedy: str) -> Contents:
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = Path(member.name).name
                file = tar.extractfile(member) if name in published.files else None
                if file is not None:
                    contents[name] = file.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise BadInput(f'{archive} is truncated or damaged ({error}). {remedy}'.strip()) from error
    lacking = [name for name in published.files if name not in contents]
    require(not lacking, f'{archive} is another archive: it holds no {lacking[:1]}. {remedy}')
    return {
        name: _verified(published, archive, contents[name], expected, remedy, inside=f': {name}')
        for name, expected in published.files.items()
    }


def _fetched(published: Published, folder: Path, log: Callable[[str], None]) -> Contents:
    log(f'{published.name}: {_lack(published, folder)}')
    reasons = [_lack(published, folder)]
    for source in published.sources:
        log(f'{published.name}: {source.title}')
        try:
            contents = _from_source(published, source, folder)
        except SourceFailed as error:
            reasons.append(f'{source.title.partition(" (")[0]}: {error}')
            continue
        log(f'{published.name}: now in {folder / published.folder}')
        return contents
    raise BadInput(
        f'{published.name} cannot be had: put its files ({", ".join(published.files)}) into '
        f'{folder / published.folder} and run again. Each way failed:\n{"; ".join(reasons)}.'
    )


def _lack(published: Published, folder: Path) -> str:
    """What is missing, in the place that lacks the fewest files."""
    places = _places(published, folder)
    missing = {place: missing_files(published, place) for place in places}
    place = min(places, key=lambda place: len(missing[place]))
    if len(missing[place]) == len(published.files):
        return f'no published files in {" or ".join(map(str, places))}'
    return f'{place} lacks {", ".join(missing[place])}'


def _from_source(published: Published, source: Source, folder: Path) -> Contents:
    """Fetches into a temporary folder, and keeps the files if they are correct."""
    with scratch(folder) as place:
        got = source.fetch(place)
        try:
            contents = read_files(published, got, remedy='')
        except BadInput as error:
            raise SourceFailed(str(error).rstrip('.')) from error
        if contents is None:
            raise SourceFailed(f'it brought no {", ".join(missing_files(published, got))}')
        own = folder / published.folder
        own.mkdir(exist_ok=True)
        for name in (*published.files, published.archive or ''):
            path = find_file(got, name) if name else None
            if path is not None:
                os.replace(path, own / path.name)
    return contents
