"""The two ways to Fashion-MNIST's four files that need a network."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cnn_jax.data.fashion_files import PUBLISHED
from cnn_jax.data.fetch import SourceFailed, download, run_command

CONNECT_SECONDS = 15.0
PACKAGE = 'dataset-fashion-mnist'
SYSTEM_FOLDER = Path('/usr/share/datasets/fashion-mnist')
"""Where the Debian package puts the files when it is installed."""

_APT_SECONDS = 600.0
_UNPACK_SECONDS = 120.0


@dataclass(frozen=True)
class Fetcher:
    """One way to get the files, named `title` in messages.

    `fetch` puts the four into an empty scratch folder and returns where they are, or raises
    `SourceFailed`.
    """

    title: str
    fetch: Callable[[Path], Path]


def fetch_download(folder: Path) -> Path:
    """Downloads the four files into `folder` from the address that TFDS registers."""
    from tensorflow_datasets.image_classification import FashionMNIST

    for name in PUBLISHED:
        target = folder / f'{name}.gz'
        download(f'{FashionMNIST.URL}{name}.gz', target, seconds=CONNECT_SECONDS)
    return folder


def fetch_debian(folder: Path) -> Path:
    """Fetches the Debian package with `apt-get download` and unpacks it inside `folder`.

    Needs no root. Where apt has no lists (as in most containers) or old ones, they are fetched into
    `folder`; the system's are left alone.
    """
    settings = [
        'APT::Sandbox::User=root',  # as root, apt would use a user who may not write to `folder`
        f'Acquire::http::Timeout={CONNECT_SECONDS:.0f}',
        f'Acquire::https::Timeout={CONNECT_SECONDS:.0f}',
        'Acquire::Retries=0',
        'APT::Update::Error-Mode=any',  # a source that cannot be reached is said so
    ]
    try:
        _apt('download', settings, folder)
    except SourceFailed:
        lists, cache = folder / 'lists', folder / 'cache'
        (lists / 'partial').mkdir(parents=True)
        (cache / 'archives' / 'partial').mkdir(parents=True)
        settings += [f'Dir::State::Lists={lists}', f'Dir::Cache={cache}']
        try:
            _apt('update', settings, folder)
        except SourceFailed as error:
            refresh = f' (its lists could not be refreshed: {error})'
        else:
            refresh = ''
        try:  # one source that fails makes `update` fail, and the package may be in another
            _apt('download', settings, folder)
        except SourceFailed as error:
            raise SourceFailed(f'{error}{refresh}') from error
    packages = list(folder.glob(f'{PACKAGE}_*.deb'))
    if not packages:
        raise SourceFailed(f'apt-get left no {PACKAGE} file')
    unpacked = folder / 'unpacked'
    command = ['dpkg', '-x', str(packages[0]), str(unpacked)]
    run_command(command, folder=folder, seconds=_UNPACK_SECONDS, environment={})
    return unpacked / SYSTEM_FOLDER.relative_to('/')


def _apt(action: str, settings: list[str], folder: Path) -> None:
    options = [part for setting in settings for part in ('-o', setting)]
    package = [PACKAGE] if action == 'download' else []
    run_command(
        ['apt-get', '-q', *options, action, *package],
        folder=folder,
        seconds=_APT_SECONDS,
        environment={'LC_ALL': 'C', 'DEBIAN_FRONTEND': 'noninteractive'},
    )


FETCHERS = (
    Fetcher(
        f'download from the address known to TFDS ({CONNECT_SECONDS:.0f} s to connect)',
        fetch_download,
    ),
    Fetcher(f'Debian package {PACKAGE} by apt-get download', fetch_debian),
)
